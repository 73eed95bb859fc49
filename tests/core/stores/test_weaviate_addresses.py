"""Other ways to a Weaviate server: TLS, IPv6, one that is there already."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.stores.weaviate import WeaviateDatabase
from core.stores.weaviate_url import Address, parse_weaviate_url
from tests.conftest import Weaviate
from tests.core.stores.helpers import DIM, record, vector
from tests.relay import TOP, relay

pytestmark = pytest.mark.weaviate

ROUND_TRIP = """
import sys
from core.errors import StoreError
from core.stores.weaviate import WeaviateDatabase
from tests.core.stores.helpers import DIM, record, vector
database = WeaviateDatabase(sys.argv[1], writable=True, api_key=sys.argv[2])
try:
    database.catalogue()  # whoever reads is told at once
    store = database.vectors("model", DIM)
    store.upsert([record("a", 1)])
    print(store.search(vector(1), 1)[0].place.path)
except StoreError as error:
    print(error)
database.close()
"""


@pytest.fixture
def address(weaviate_server: Weaviate, weaviate_name: str) -> Address:
    parsed = parse_weaviate_url(weaviate_server.url(weaviate_name))
    if parsed.secure:
        pytest.skip("the server of WEAVIATE_URL has TLS already")
    return parsed.addresses[0]


def test_an_address_of_ipv6(
    address: Address, weaviate_server: Weaviate, weaviate_name: str
) -> None:
    with (
        relay("::1", (address.host, address.http_port)) as http,
        relay("::1", (address.host, address.grpc_port)) as grpc,
    ):
        url = f"weaviate://[::1]:{http}/{weaviate_name}?grpc={grpc}"
        database = WeaviateDatabase(url, writable=True, api_key=weaviate_server.key)
        store = database.vectors("model", DIM)
        store.upsert([record("a", 1)])
        assert store.search(vector(1), 1)[0].distance == 0
        database.close()


@pytest.mark.slow
def test_tls_with_a_certificate_of_ones_own(
    address: Address, weaviate_server: Weaviate, weaviate_name: str, tmp_path: Path
) -> None:
    file = str(certificate(tmp_path))
    to = [(address.host, port) for port in (address.http_port, address.grpc_port)]
    with (
        relay("127.0.0.1", to[0], file, "http/1.1") as http,
        relay("127.0.0.1", to[1], file, "h2") as grpc,
        ThreadPoolExecutor() as pool,
    ):
        url = f"weaviates://127.0.0.1:{http}/{weaviate_name}?grpc={grpc}"
        # In processes of their own, as what is trusted is a matter of the environment.
        trusting = pool.submit(round_trip, url, weaviate_server.key, SSL_CERT_FILE=file)
        doubting = pool.submit(round_trip, url, weaviate_server.key)
    assert trusting.result() == "a\n"
    assert re.search("does not answer .*certificate verify failed", doubting.result())


def round_trip(url: str, key: str | None, **environ: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", ROUND_TRIP, url, key or ""],
        cwd=TOP,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    ).stdout


def certificate(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.mark.slow
def test_the_tests_run_against_a_server_that_is_there(
    weaviate_server: Weaviate, weaviate_name: str
) -> None:
    if weaviate_server.server is None:
        pytest.skip("this is what they do")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/core/stores/test_contract.py", "-m", "weaviate",
         "-k", "comes_back or below_a_folder", "-p", "no:cacheprovider"],
        cwd=TOP,
        env={
            **os.environ,
            "WEAVIATE_URL": weaviate_server.url(weaviate_name),
            "WEAVIATE_API_KEY": weaviate_server.key or "",
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout
