"""Record linkage and pseudonymisation for NHS Integrated Care Systems."""

__version__ = "0.1.0"
