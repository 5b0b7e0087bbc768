"""A synthetic Integrated Care System whose truth is known: its people, its providers and the errors they make."""

from linkcore.synthetic.ics import Synthetic, synthesise
from linkcore.synthetic.months import synthesise_months
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates, with_history

__all__ = ["DEFAULT_RATES", "ErrorRates", "Synthetic", "synthesise", "synthesise_months", "with_history"]
