"""Signed URLs are those that boto3 makes."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from cluster.s3_store import S3Store
from cluster.settings import Settings
from cluster.signed_urls import Keys, Signer

PLAIN = "images/ab/0123.png"


def by_boto3(key: str, *, endpoint: str, style: str, token: str | None) -> str:
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret/+key",
        aws_session_token=token,
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )
    return client.generate_presigned_url("get_object", Params={"Bucket": "shop", "Key": key}, ExpiresIn=60)


@pytest.mark.parametrize("token", [None, "a+long/token=="])
@pytest.mark.parametrize("key", [PLAIN, "prefix/a picture's (1)+~é&=.jpg"])
@pytest.mark.parametrize(
    ("endpoint", "style", "base"),
    [
        ("http://127.0.0.1:9000", "path", "http://127.0.0.1:9000/shop/"),
        ("https://s3.eu-west-1.amazonaws.com", "virtual", "https://shop.s3.eu-west-1.amazonaws.com/"),
    ],
)
def test_they_are_those_of_boto3(endpoint: str, style: str, base: str, key: str, token: str | None) -> None:
    theirs = by_boto3(key, endpoint=endpoint, style=style, token=token)
    stamp = parse_qs(urlsplit(theirs).query)["X-Amz-Date"][0]
    now = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = Signer(base, "eu-west-1", lambda: Keys("AKIDEXAMPLE", "secret/+key", token))
    ours = signer.url(key, expires_s=60, now=now)
    assert ours.partition("?")[0] == theirs.partition("?")[0]
    assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(theirs).query)


def test_a_store_without_keys_of_its_own_signs_with_those_that_boto3_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDFOUND")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of an hour")
    store = S3Store("s3://shop/prefix", Settings(s3_endpoint="http://127.0.0.1:9000"))
    url = urlsplit(store.signed_url("a.png", expires_s=5))
    query = parse_qs(url.query)
    assert url.path == "/shop/prefix/a.png"
    assert query["X-Amz-Credential"][0].startswith("AKIDFOUND/") and query["X-Amz-Security-Token"] == ["of an hour"]
