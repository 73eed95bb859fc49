"""A message's payload as an HTML page in the look of Discord, and a picture of that page."""

import base64
import html
import io
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

_STYLE = """
body { margin: 0; padding: 20px; width: 640px; background: #313338; color: #dbdee1;
       font: 16px/1.375 "gg sans", "Noto Sans", "DejaVu Sans", "Helvetica Neue", sans-serif }
.post { display: flex; gap: 16px; margin-bottom: 14px }
.face { flex: none; width: 40px; height: 40px; border-radius: 50%; background: #5865f2;
        display: grid; place-items: center; color: white; font-weight: 600 }
.who { font-weight: 600; color: #f2f3f5 }
.who small { font-size: 10px; background: #5865f2; color: white; border-radius: 3px;
             padding: 1px 5px; vertical-align: 2px }
.posted { max-width: 260px; max-height: 200px; border-radius: 8px; margin-top: 4px }
.frame { background: #2b2d31; border: 1px solid #3f4147; border-left: 4px solid; border-radius: 8px;
         padding: 14px 16px; width: 540px; margin: 4px 0; box-sizing: border-box }
.section { display: flex; justify-content: space-between; gap: 12px; margin: 8px 0 }
.section img { width: 76px; height: 76px; object-fit: cover; border-radius: 8px }
.text { overflow-wrap: anywhere } .text sub { font-size: 13px; color: #949ba4; vertical-align: 0 }
.row { display: flex; gap: 8px; margin: 8px 0 }
.button { background: #4e5058; border-radius: 8px; padding: 6px 16px; font-size: 14px;
          font-weight: 500; color: white }
.select { background: #1e1f22; border-radius: 8px; padding: 9px 12px; width: 400px;
          color: #949ba4; font-size: 15px }
.credit { color: #949ba4; font-size: 12px }
"""


def page(message: dict[str, Any], files: dict[str, bytes], posted: list[bytes], credit: str) -> str:
    """HTML. `message`: as the bot sent it, its thumbnails in `files`; `posted`: the pictures that
    it answers."""
    pictures = "".join(f'<img class="posted" src="{_data(picture)}"> ' for picture in posted)
    answer = "".join(_component(one, files) for one in message["components"])
    return (
        f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>"
        f'<div class="post"><div class="face" style="background:#3ba55d">A</div><div>'
        f'<div class="who">Ada</div><div>@Lookalike</div>{pictures}</div></div>'
        f'<div class="post"><div class="face">L</div><div>'
        f'<div class="who">Lookalike <small>APP</small></div>{answer}</div></div>'
        f'<div class="credit">{html.escape(credit)}</div>'
    )


def _component(one: dict[str, Any], files: dict[str, bytes]) -> str:
    inner = "".join(_component(part, files) for part in one.get("components", ()))
    match one["type"]:
        case 1:
            return f'<div class="row">{inner}</div>'
        case 2:
            emoji = (one.get("emoji") or {}).get("name", "")
            return f'<div class="button">{emoji} {html.escape(one["label"])}</div>'
        case 3:
            chosen = [option["label"] for option in one["options"] if option.get("default")]
            shown = html.escape(chosen[0] if chosen else one["placeholder"])
            return f'<div class="select">{shown} ▾</div>'
        case 9:
            accessory = _component(one["accessory"], files)
            return f'<div class="section"><div>{inner}</div>{accessory}</div>'
        case 10:
            return f'<div class="text">{_markdown(one["content"])}</div>'
        case 11:
            name = one["media"]["url"].removeprefix("attachment://")
            alt = html.escape(one["description"])
            return f'<img alt="{alt}" title="{alt}" src="{_data(files[name])}">'
        case 17:
            colour = f"#{one['accent_color']:06x}"
            return f'<div class="frame" style="border-left-color:{colour}">{inner}</div>'
    raise ValueError(f"a component of type {one['type']} is not drawn")


def _markdown(text: str) -> str:
    """What the bot uses of it: bold, subtext, escapes."""
    lines = []
    for line in text.split("\n"):
        small = line.startswith("-# ")
        # An escaped character must not be taken for markup, so it goes by its number meanwhile.
        kept = re.sub(r"\\([^0-9A-Za-z\s])", lambda m: f"&#{ord(m[1])};", line.removeprefix("-# "))
        bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", kept)
        lines.append(f"<sub>{bold}</sub>" if small else bold)
    return "<br>".join(lines)


def _data(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def screenshot(page: str, file: Path) -> None:
    """Draw it with Debian's chromium, and cut off what is empty below."""
    with tempfile.TemporaryDirectory(prefix="lookalike-") as work:
        source, picture = Path(work) / "page.html", Path(work) / "page.png"
        source.write_text(page, encoding="utf-8")
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={work}/profile", "--force-device-scale-factor=1",
            "--window-size=680,1600", f"--screenshot={picture}", source.as_uri(),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        drawn = Image.open(io.BytesIO(picture.read_bytes())).convert("RGB")
    empty = Image.new("RGB", drawn.size, drawn.getpixel((0, drawn.height - 1)))
    box = ImageChops.difference(drawn, empty).getbbox()
    bottom = min(drawn.height, (box[3] if box else 0) + 16)
    small = drawn.crop((0, 0, drawn.width, bottom)).quantize(192, Image.Quantize.MEDIANCUT)
    small.save(file, optimize=True)
