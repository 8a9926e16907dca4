# site: the documentation as HTML (`make site`), with a search and a light and a dark theme:
# site/html/index.html. Sphinx and its theme come from PyPI, in a virtual environment.
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/conf.py %D%/requirements.txt %D%/static/site.css

site/venv/bin/python3: $(top_srcdir)/site/requirements.txt
	$(AM_V_GEN)rm -rf site/venv && python3 -m venv site/venv && \
	  site/venv/bin/pip install -q --disable-pip-version-check -r $(top_srcdir)/site/requirements.txt && touch $@

.PHONY: site
site: site/venv/bin/python3
	$(AM_V_GEN)site/venv/bin/python3 -B -m sphinx -q -W --keep-going -n -b html -c $(top_srcdir)/site \
	  -d site/pages $(top_srcdir) site/html && echo site/html/index.html

clean-local: site-clean
.PHONY: site-clean
site-clean:
	rm -rf site/html site/pages
distclean-local: site-distclean
.PHONY: site-distclean
site-distclean:
	rm -rf site/venv
