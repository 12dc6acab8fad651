import sys

from city.cli import program

sys.exit(program())
