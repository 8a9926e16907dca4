# python: the Python package cnnc. `make install` does not install it: `pip install ./python` packages the
# files of this build (hatch_build.py). With PYTHONPATH=python, the package runs without installation and also
# uses this build.
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/README.md %D%/pyproject.toml %D%/hatch_build.py \
  %D%/cnnc/__init__.py %D%/cnnc/__main__.py %D%/cnnc/_arrays.py %D%/cnnc/_build.py %D%/cnnc/_check.py \
  %D%/cnnc/_copy.py %D%/cnnc/_exchange.py %D%/cnnc/_facts.py %D%/cnnc/_keras.py \
  %D%/cnnc/_library.py %D%/cnnc/_listing.py %D%/cnnc/_needs.py \
  %D%/cnnc/_network.py %D%/cnnc/_quantize.py \
  %D%/cnnc/_reference.py %D%/cnnc/_step.py %D%/cnnc/_stream.py %D%/cnnc/_tool.py %D%/cnnc/_train.py \
  %D%/cnnc/validator/__init__.py %D%/cnnc/validator/arithmetic.py %D%/cnnc/validator/command.py \
  %D%/cnnc/validator/compiled.py %D%/cnnc/validator/fixed.py %D%/cnnc/validator/functions.py \
  %D%/cnnc/validator/moves.py %D%/cnnc/validator/net.py %D%/cnnc/validator/program.py \
  %D%/cnnc/validator/recurrent.py %D%/cnnc/validator/samples.py %D%/cnnc/validator/weights.py \
  %D%/cnnc/validator/windows.py \
  %D%/cnnc/bridge.c \
  %D%/cnnc/py.typed \
  %D%/tests/__main__.py %D%/tests/common.py %D%/tests/installed.py %D%/tests/test_build.py \
  %D%/tests/test_exchange.py %D%/tests/test_keras.py %D%/tests/test_network.py %D%/tests/test_page.py \
  %D%/tests/test_torch.py %D%/tests/test_train.py %D%/tests/test_wheel.py
