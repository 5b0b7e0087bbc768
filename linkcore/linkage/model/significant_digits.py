"""Rounding what is learned, so that the order of a sum cannot show."""

__all__ = ["significant"]


def significant(value: float) -> float:
    """Round to six significant digits.

    Threads add in any order, and the last bits of a sum depend on it. Its first six digits do not.

    Examples
    --------
    >>> significant(0.000123456789)
    0.000123457
    """
    return float(f"{value:.6g}")
