"""A client for programs in Python: typed, blocking or async, patient within limits.

    from services.client import Atelier, calls

    with Atelier("https://atelier.example.org", key="atelier_…") as shop:
        answer = shop.ask(calls.recommend("u000000", category="women-tops", k=3))
        picture = shop.picture(answer.items[0].picture)

Light to import: no Ray, no tensors.
"""

from services.client.atelier import AsyncAtelier, Atelier
from services.client.failures import Failure, NoAnswer, Refused
from services.client.retries import Patience

__all__ = ["AsyncAtelier", "Atelier", "Failure", "NoAnswer", "Patience", "Refused"]
