"""``ffr``: context repair of video reasoning models (Find, Fix, Reason)."""

__version__ = "0.1.0"
