"""Moment-matching compression of data sets and networks, and the scaling laws it changes (arXiv 2510.00504)."""

from scaling import laws as laws
from scaling.coreset import Coreset as Coreset
from scaling.coreset import compress as compress
from scaling.moments import MomentSpace as MomentSpace
from scaling.recombination import recombine as recombine

__version__ = "0.1.0"
