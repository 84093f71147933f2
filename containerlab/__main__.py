"""`python -m containerlab` is `conlab`."""

from containerlab.cli import program

program()
