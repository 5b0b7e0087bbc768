"""A synthetic Integrated Care System (ICS) whose truth is known: its people, its providers, and their errors."""

from linkcore.synthetic.ics import Synthetic, synthesise
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates

__all__ = ["DEFAULT_RATES", "ErrorRates", "Synthetic", "synthesise"]
