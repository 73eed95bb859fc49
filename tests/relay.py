"""A port that leads to an address, and ends TLS on the way: `python -m tests.relay`."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TOP = Path(__file__).parent.parent


@contextmanager
def relay(host: str, to: tuple[str, int], *tls: str) -> Iterator[int]:
    """The port on `host`, until the block ends. `tls`: the file of a certificate with its key,
    and the protocol to agree on."""
    command = [sys.executable, "-m", "tests.relay", host, to[0], str(to[1]), *tls]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


async def _serve(host: str, to_host: str, to_port: str, *tls: str) -> None:
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls[0])
        context.set_alpn_protocols([tls[1]])

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(to_host, int(to_port))
        await asyncio.gather(_pump(reader, other_writer), _pump(other_reader, writer))

    server = await asyncio.start_server(join, host, 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
