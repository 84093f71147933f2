"""`python -m containerlab` is `conlab`."""

import sys

from containerlab.cli import main

sys.exit(main())
