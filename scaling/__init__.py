"""Moment-matching compression of data sets and networks, and the scaling laws it changes (arXiv 2510.00504)."""

from scaling import laws as laws
from scaling.coreset import Coreset as Coreset
from scaling.coreset import compress as compress
from scaling.moments import MomentSpace as MomentSpace
from scaling.recombination import recombine as recombine
from scaling.regression import RegressionCoreset as RegressionCoreset
from scaling.regression import compress_regression as compress_regression

__version__ = "0.1.0"
