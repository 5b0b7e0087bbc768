"""A synthetic Integrated Care System with known truth: people, providers, and the errors they make."""

from linkcore.synthetic.ics import Synthetic, synthesise, synthesise_frames
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates

__all__ = ["DEFAULT_RATES", "ErrorRates", "Synthetic", "synthesise", "synthesise_frames"]
