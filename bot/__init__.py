"""The Discord bot: a picture in a channel is answered with its closest matches."""
