"""What a deployment decides: where the bucket is, who may open it, which ports, which limits.

Every field can be set by an environment variable, `ATELIER_` and the field's name in capitals:
`ATELIER_BUCKET_URL=s3://shop/atelier`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX = "ATELIER_"


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        return url.rstrip("/")
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return url
    raise ValueError(f"{url!r} is neither s3://bucket[/prefix] nor file:///absolute/path")


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _checked_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port.isdigit()):
        raise ValueError(f"{address!r} is neither host:port nor 'auto'")
    return address


def _checked_replicas(told: str) -> str:
    least, most = _replicas(told)
    if not 0 <= least <= most or most == 0:
        raise ValueError(f"{told!r} is neither a number above 0 nor two such as 1-4, of which the first may be 0")
    return told


def _never_none(told: str) -> str:
    if _replicas(told)[0] == 0:
        raise ValueError(f"{told!r} would leave nobody to ask: at least 1 is needed here")
    return told


def _replicas(told: str) -> tuple[int, int]:
    least, two, most = told.partition("-")
    most = most if two else least
    return (int(least), int(most)) if least.isdecimal() and most.isdecimal() else (-1, -1)


StoreUrl = Annotated[str, AfterValidator(_checked_url)]
RayAddress = Annotated[str, AfterValidator(_checked_address)]
Replicas = Annotated[str, AfterValidator(_checked_replicas)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """One immutable set of settings; `model_copy(update=…)` makes another."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    bucket_url: StoreUrl = "s3://atelier"
    s3_endpoint: str | None = None  # None: the embedded server on loopback
    s3_public_endpoint: str | None = None  # what signed URLs name, where clients see another address
    s3_access_key: str | None = None  # None: boto3's own search (environment, role, profile)
    s3_secret_key: SecretStr | None = None
    s3_region: str = "us-east-1"
    s3_connect_timeout_s: float = Field(3.0, gt=0)
    s3_read_timeout_s: float = Field(30.0, gt=0)
    s3_attempts: int = Field(4, ge=1, le=10)  # the first try included
    s3_connections: int = Field(16, ge=1)  # of one client; also how many transfers run side by side
    s3_multipart_bytes: int = Field(16 * 2**20, ge=5 * 2**20)  # from here on in parts
    s3_part_bytes: int = Field(8 * 2**20, ge=5 * 2**20)
    signed_url_expires_s: int = Field(3600, ge=1, le=7 * 24 * 3600)

    home: AbsolutePath = Path(".atelier")  # local data, caches, files about running processes

    ray_address: RayAddress | None = None  # of a running head; None: a local one of our own
    ray_cpus: int = Field(4, ge=1)  # logical: replicas take fractions of them
    ray_object_store_bytes: int = Field(200 * 2**20, ge=80 * 2**20)

    http_host: str = "127.0.0.1"
    http_port: int = Field(8000, ge=0, le=65535)
    grpc_port: int | None = Field(None, ge=1, le=65535)  # on all addresses; None: no gRPC
    grpc_tls_port: int | None = Field(None, ge=1, le=65535)  # of http_host; then the other port serves nobody
    grpc_max_message_bytes: int = Field(64 * 2**20, ge=2**20)  # of a message in either direction
    api_keys: Literal["required", "off"] = "required"  # off: for programs of this machine alone
    tls_certificate: AbsolutePath | None = None  # PEM, the chain included; on every node that answers
    tls_key: AbsolutePath | None = None
    request_timeout_s: float = Field(60.0, gt=0)
    log_format: Literal["text", "json"] = "text"  # json: a line of fields for every request and every call
    metrics_port: int | None = Field(None, ge=1, le=65535)  # of the local Ray, for Prometheus; None: a free one
    otlp_endpoint: str | None = None  # http://host:4318 of a collector of traces; None: as OTEL_* have it
    traces_ratio: float = Field(1.0, ge=0, le=1)  # share of the traces begun here that is kept
    gateway_replicas: Annotated[Replicas, AfterValidator(_never_none)] = "1"
    recommender_replicas: Annotated[Replicas, AfterValidator(_never_none)] = "1"
    designer_replicas: Replicas = "1"  # 0-3: none while nobody asks, three at most
    fitting_room_replicas: Replicas = "1"
    designer_gpus: float = Field(0.0, ge=0)  # of each replica: a share of one GPU, or several; 0: processors alone
    fitting_room_gpus: float = Field(0.0, ge=0)
    scale_up_delay_s: float = Field(10.0, ge=0)
    scale_down_delay_s: float = Field(300.0, ge=0)
    gateway_copy_items: int = Field(200_000, ge=0)  # of a larger catalogue no gateway keeps a copy
    recommender_cells_above: int = Field(200_000, ge=100)  # items; fewer are all looked at for every request
    designer_memory_bytes: int = Field(4 * 2**30, ge=1)  # of one release's latent engine
    designer_slots: int | None = Field(None, ge=1)  # None: as many as the memory has room for
    designer_max_waiting_rows: int = Field(512, ge=0)
    designer_precision: Literal["auto", "bf16", "fp32"] = "auto"  # auto: the faster one
    picture_cache_bytes: int = Field(64 * 2**20, ge=0)  # of the bucket's pictures, kept in memory by each replica
    max_picture_bytes: int = Field(10 * 2**20, ge=1)
    max_picture_pixels: int = Field(25_000_000, ge=1)

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> "Settings":
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("s3_access_key and s3_secret_key are set together or not at all")
        return self

    @model_validator(mode="after")
    def _only_this_machine_needs_no_keys(self) -> "Settings":
        if self.api_keys == "off" and self.http_host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(f"api_keys can be off where http_host is 127.0.0.1, and not where it is {self.http_host}")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are set together or not at all")
        needed = self.tls_certificate is not None and self.grpc_port is not None
        if (self.grpc_tls_port is not None) != needed:
            raise ValueError("grpc_tls_port is set where tls_certificate and grpc_port are, and nowhere else")
        return self

    @property
    def cache(self) -> Path:
        """The folder for what can be fetched again."""
        return self.home / "cache"

    @property
    def folder(self) -> Path | None:
        """The local folder behind a file:// bucket; None where the bucket is in S3."""
        parts = urlsplit(self.bucket_url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    def replicas(self, deployment: str) -> tuple[int, int]:
        """The least and the most replicas of a deployment: Gateway, Recommender, Designer, FittingRoom."""
        told = {
            "Gateway": self.gateway_replicas,
            "Recommender": self.recommender_replicas,
            "Designer": self.designer_replicas,
            "FittingRoom": self.fitting_room_replicas,
        }
        return _replicas(told[deployment])

    def gpus(self, deployment: str) -> float:
        """What each replica of a deployment has of a GPU."""
        return {"Designer": self.designer_gpus, "FittingRoom": self.fitting_room_gpus}.get(deployment, 0.0)

    def with_updates(self, **changes: Any) -> "Settings":
        """A validated copy with some fields changed."""
        known = {name: getattr(self, name) for name in self.model_fields_set}
        return Settings(**{**known, **changes})

    def environment(self, *, same_machine: bool = True) -> dict[str, str]:
        """The variables with which a Ray worker or job on any node sees these settings.

        `ATELIER_*` for our own code, `AWS_*` for pyarrow, which Ray Train stores checkpoints with, and
        `RAY_SERVE_*` for Ray Serve's proxies, `OTEL_*` for OpenTelemetry.
        Contains the secret key: hand it to a process, never to a log.
        `same_machine=False` leaves out `home`, a path of this machine.
        """
        own = self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        if self.s3_secret_key is not None:
            own["s3_secret_key"] = self.s3_secret_key.get_secret_value()
        own.pop("ray_address", None)
        own.pop("home", None)
        if same_machine:
            own["home"] = str(self.home)
        variables = {ENV_PREFIX + k.upper(): str(v) for k, v in own.items()}
        return {**variables, **self._aws_environment(), **self._serve_environment(), **self._traces_environment()}

    def _serve_environment(self) -> dict[str, str]:
        """What Ray Serve's proxies can only be told so."""
        return {} if self.grpc_port is None else {"RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(self.grpc_max_message_bytes)}

    def _traces_environment(self) -> dict[str, str]:
        """Under the names that OpenTelemetry knows."""
        if self.otlp_endpoint is None:
            return {}
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp_endpoint,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(self.traces_ratio),
        }

    def _aws_environment(self) -> dict[str, str]:
        if self.folder is not None:
            return {}
        found = {
            "AWS_REGION": self.s3_region,
            "AWS_DEFAULT_REGION": self.s3_region,
            "AWS_ENDPOINT_URL_S3": self.s3_endpoint,
            "AWS_ACCESS_KEY_ID": self.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.s3_secret_key and self.s3_secret_key.get_secret_value(),
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
            "AWS_EC2_METADATA_DISABLED": "true" if self.s3_access_key else None,
        }
        return {name: value for name, value in found.items() if value is not None}
