"""Record linkage and pseudonymisation for NHS Integrated Care Systems."""
