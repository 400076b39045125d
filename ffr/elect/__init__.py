"""RLER at inference: several candidates, one elected answer (spec rler §5). No engine in here."""
