"""The words of docs/performance.md: written by hand, kept beside what fills in the figures."""

OPENING = """# Performance

Written by `make bench`. Absolute figures are this machine's, on the day; the bars are ratios
between figures of one run. The article's way is torch in fp32, one picture at a time. A backend is
used only if its vectors stay with torch's fp32: cosine 0.9995 on average, 0.998 at least,
overlap@10 0.98.
"""

NOTES = {
    "ingest_vs_article": (
        "**Ingest against the article's way** is bounded by arithmetic where a processor has no "
        "bfloat16 of its own: on two Zen 3 cores every backend computes in fp32, and the best of "
        "them (OpenVINO and ONNX Runtime, 10.7 pictures a second) were 2.6 to 3.1 times the "
        "article's way before anything else ran. On two AMX cores, in bf16, ingest was 4.0 times. "
        "8-bit weights were not tried."
    ),
    "ingest_vs_best": (
        "**Ingest against the best backend**: what is not the model takes cores from it. A picture "
        "costs 3.6 to 4 ms of a Zen 3 core in a decoder, more than half of it two resizes by "
        "Pillow, and it cost 0.9 ms in the daemon on AMX. Tried: thumbnails by a Hamming filter "
        "instead of a bicubic (0.5 ms less), the mean colour by a histogram (0.1 ms less), glibc's "
        "mmap threshold (no gain). Not tried: starting decoders while the model loads, shared "
        "memory in place of sockets."
    ),
    "large_vs_parts": (
        "**Photographs of 12 megapixels**: measured on few of them, from the first scan on; what "
        "the start of the decoders and the last, unfilled batches take was not measured apart."
    ),
    "search_p50_ms": (
        "**Search in the embedded store**: LanceDB's own fixed cost (5 ms with one partition "
        "probed, on a loaded Zen 3 machine), and reading full vectors for exact distances. Tried: "
        "searching whole roots without a filter, which would read every row's root (kept); 4 "
        "times as many vectors read again as asked for instead of 8 (kept: same recall); fewer "
        "partitions (8 instead of 32 lose 1.4 % of recall at 100,000 rows and gain little)."
    ),
    "search_vs_forward": (
        "**Search against one forward pass**: the rest is decoding in a process apart and the "
        "store."
    ),
}
