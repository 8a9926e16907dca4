# bench: compares with peers; see bench/README.md.
EXTRA_DIST += %D%/README.md %D%/run %D%/inference.py %D%/nets.py
