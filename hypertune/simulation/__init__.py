"""Runs sweeps in virtual time from recorded learning curves: recordings, surrogates, and an event-driven engine."""
