"""Engines: what proposes pairs, finds their levels, and weighs them."""
