"""Draws the example pictures that ship in ./dataset: `python -m bench.draw_dataset FOLDER`.

Five motifs, several pictures of each, so that a first search has something to find.
"""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 480, 320
Colour = tuple[int, int, int]


def _sky(top: Colour, bottom: Colour) -> Image.Image:
    """A vertical gradient."""
    column = Image.new("RGB", (1, 2))
    column.putpixel((0, 0), top)
    column.putpixel((0, 1), bottom)
    return column.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)


def sunset(dice: random.Random) -> Image.Image:
    """A sun above the sea."""
    picture = _sky((70 + dice.randrange(40), 40, 110), (250, 150 + dice.randrange(30), 70))
    draw = ImageDraw.Draw(picture)
    x, horizon = dice.randrange(120, 360), dice.randrange(190, 230)
    draw.ellipse((x - 45, horizon - 70, x + 45, horizon + 20), fill=(255, 226, 150))
    draw.rectangle((0, horizon, WIDTH, HEIGHT), fill=(46, 48, 92))
    for _ in range(60):
        y = dice.randrange(horizon + 4, HEIGHT)
        half = dice.randrange(6, 34)
        centre = x + dice.gauss(0, 30)
        draw.line((centre - half, y, centre + half, y), fill=(250, 180, 110), width=2)
    return picture


def mountains(dice: random.Random) -> Image.Image:
    """Ridges in the haze."""
    picture = _sky((120, 170, 220), (230, 238, 245))
    draw = ImageDraw.Draw(picture)
    for layer in range(4):
        shade = 165 - layer * 38
        base, swing = 150 + layer * 42, 55 - layer * 9
        phase, wave = dice.random() * 7, dice.uniform(0.012, 0.03)
        ridge = [
            (x, base + swing * math.sin(x * wave + phase) + dice.gauss(0, 4))
            for x in range(0, WIDTH + 12, 12)
        ]
        draw.polygon([*ridge, (WIDTH, HEIGHT), (0, HEIGHT)], fill=(shade - 20, shade, shade + 12))
    return picture


def forest(dice: random.Random) -> Image.Image:
    """Firs, far and near."""
    picture = _sky((196, 214, 206), (120, 150, 120))
    draw = ImageDraw.Draw(picture)
    for depth in range(3):
        green = (70 - depth * 18, 110 - depth * 22, 78 - depth * 18)
        for _ in range(16 - depth * 4):
            x, height = dice.randrange(WIDTH), dice.randrange(90, 140) + depth * 50
            foot = HEIGHT - 40 + depth * 25
            for level in range(4):
                y = foot - height * (level + 1) / 5
                half = (4 - level) * (9 + depth * 4)
                draw.polygon([(x - half, y + 40), (x + half, y + 40), (x, y - 20)], fill=green)
    return picture


def city(dice: random.Random) -> Image.Image:
    """Houses at night, some windows lit."""
    picture = _sky((14, 18, 44), (66, 50, 92))
    draw = ImageDraw.Draw(picture)
    x = -10
    while x < WIDTH:
        width, height = dice.randrange(44, 84), dice.randrange(110, 260)
        tone = dice.randrange(22, 44)
        draw.rectangle((x, HEIGHT - height, x + width, HEIGHT), fill=(tone, tone, tone + 16))
        for wx in range(x + 7, x + width - 9, 13):
            for wy in range(HEIGHT - height + 9, HEIGHT - 8, 17):
                if dice.random() < 0.45:
                    draw.rectangle((wx, wy, wx + 6, wy + 9), fill=(255, 214, 120))
        x += width + dice.randrange(2, 9)
    return picture


def flowers(dice: random.Random) -> Image.Image:
    """A meadow from above."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (92, 148, 74))
    draw = ImageDraw.Draw(picture)
    for _ in range(26):
        x, y, r = dice.randrange(WIDTH), dice.randrange(HEIGHT), dice.randrange(12, 26)
        petal = dice.choice([(236, 92, 130), (250, 205, 80), (240, 240, 250)])
        for angle in range(0, 360, 60):
            px, py = x + r * math.cos(math.radians(angle)), y + r * math.sin(math.radians(angle))
            draw.ellipse((px - r * 0.6, py - r * 0.6, px + r * 0.6, py + r * 0.6), fill=petal)
        draw.ellipse((x - r * 0.5, y - r * 0.5, x + r * 0.5, y + r * 0.5), fill=(230, 160, 40))
    return picture


MOTIFS: dict[str, Callable[[random.Random], Image.Image]] = {
    "sunset": sunset,
    "mountains": mountains,
    "forest": forest,
    "city": city,
    "flowers": flowers,
}


def draw_dataset(folder: Path, each: int = 3) -> None:
    """Write `each` pictures of every motif; the same ones every time."""
    for name, motif in MOTIFS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(1, each + 1):
            picture = motif(random.Random(f"{name} {number}"))
            smooth = picture.filter(ImageFilter.GaussianBlur(0.7))
            smooth.save(folder / name / f"{name}-{number}.jpg", quality=82)


if __name__ == "__main__":
    draw_dataset(Path(sys.argv[1]))
