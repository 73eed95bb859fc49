"""The page in the look of Discord: every component that the bot sends is drawn."""

from bench.discord_page import page
from tests.bot.test_replies import FULLEST, body


def test_the_fullest_answer_is_drawn() -> None:
    made = body(FULLEST)
    files = {one["filename"]: b"\xff\xd8" for one in made["attachments"]}
    drawn = page(made, files, [b"\xff\xd8"], "credit")
    assert drawn.count("<img") == 1 + len(files) == 11
    assert "Show another picture" not in drawn, "the chosen one is shown instead"
    assert "Picture 1: " in drawn
    assert "&#42;&#42;" in drawn, "a file's stars are stars"
