"""Inro: medical questions and answers on a PC without a network."""

__version__ = "0.1.0"
