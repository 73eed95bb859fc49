"""What keeps an index equal to the folders: one service for each embedder, made when needed."""

from core.bootstrap import decoder_version
from core.candidates import Candidates
from core.config import Config
from core.decoder import Decoder
from core.embedders import Embedder
from core.index import ImageIndex
from core.records import Place
from core.state import Rejection
from core.stores import Database
from daemon.holds import Holds
from daemon.ingest import Ingest
from daemon.metrics import Metrics
from daemon.recent import RecentlyDeleted
from daemon.roots import Roots
from daemon.scanner import Scanner
from daemon.sync import SyncService


class Services:
    """Makes and keeps them; they share everything but the index."""

    def __init__(
        self,
        config: Config,
        database: Database,
        decoder: Decoder,
        *,
        candidates: Candidates,
        roots: Roots,
        recent: RecentlyDeleted,
        rejections: dict[Place, Rejection],
        metrics: Metrics,
        workers: int,
    ) -> None:
        self._config = config
        self._database = database
        self._decoder = decoder
        self._candidates = candidates
        self._roots = roots
        self._recent = recent
        self._rejections = rejections
        self._metrics = metrics
        self._workers = workers
        self._made: dict[str, SyncService] = {}

    def of(self, embedder: Embedder, holds: Holds) -> SyncService:
        """The one for the index of this embedder; `holds` is what it is made with."""
        if embedder.name not in self._made:
            self._made[embedder.name] = self._make(embedder, holds)
        return self._made[embedder.name]

    def clear(self) -> None:
        """Make them anew when they are needed again."""
        self._made.clear()

    def maintain(self) -> None:
        """At quiet times."""
        for service in self._made.values():
            service.index.store.maintain()

    def _make(self, embedder: Embedder, holds: Holds) -> SyncService:
        folders = self._config.roots
        index = ImageIndex(
            embedder.name,
            lambda: embedder,
            self._database.vectors(embedder.name, embedder.dim),
            self._decoder,
            list(folders),
            around=self._metrics.around,
        )
        ingest = Ingest(
            index,
            self._decoder,
            folders,
            self._recent,
            max_megabytes=self._config.images.max_megabytes,
            workers=self._workers,
        )
        return SyncService(
            index,
            ingest,
            {root: Scanner(root, path, self._candidates) for root, path in folders.items()},
            roots=self._roots,
            holds=holds,
            recent=self._recent,
            rejections=self._rejections,
            decoder_version=decoder_version(self._config),
            settle_seconds=self._config.watch.settle_seconds,
        )
