"""The Recommender: scores, recommendations, tastes and catalogue entries of a release."""

from ray import serve

from services.deployment import ReleaseDeployment
from services.messages import RecommendRequest, ScoreRequest, Shopper
from services.ranking import Ranker, load_ranker
from services.replies import Contents, Offers, Scores, Taste


@serve.deployment
class Recommender(ReleaseDeployment[Ranker]):
    """Answers from tables; each call is one product of matrices."""

    def __init__(self) -> None:
        super().__init__(load_ranker)

    async def taste(self, shopper: Shopper) -> Taste:
        """See `Ranker.taste`."""
        return (await self.in_networks(self._ranker.taste, shopper))[0]

    async def score(self, request: ScoreRequest) -> Scores:
        """See `Ranker.score`."""
        return (await self.in_networks(self._ranker.score, request))[0]

    async def recommend(self, request: RecommendRequest) -> Offers:
        """See `Ranker.recommend`."""
        return (await self.in_networks(self._ranker.recommend, request))[0]

    async def item(self, item_id: str) -> Offers:
        """See `Ranker.item`."""
        return self._ranker.item(item_id)

    async def contents(self) -> Contents:
        """See `Ranker.contents`."""
        return self._ranker.contents()

    @property
    def _ranker(self) -> Ranker:
        return self.shelf.current()[1]
