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
        "them (OpenVINO, ONNX Runtime) is 2.6 to 3.1 times the article's way with nothing else "
        "running. bf16 is emulated there and slower than fp32. 8-bit weights were not taken: they "
        "leave the gate of vectors. On two AMX cores the ratio was 4.0."
    ),
    "ingest_vs_best": (
        "**Ingest against the best backend**: what is not the model takes cores from it. A picture "
        "costs about 3 ms of a core in a decoder (two resizes by Pillow, which has no vector "
        "instructions, are two thirds of it) and about 1 ms in the daemon. Tried: thumbnails by a "
        "Hamming filter instead of a bicubic (0.5 ms less), the mean colour by a histogram (0.1 ms "
        "less), glibc's mmap threshold (nothing: Pillow keeps its blocks). Where OpenVINO is not "
        "installed, the best backend is not the one that is used."
    ),
    "large_vs_parts": (
        "**Photographs of 12 megapixels**: the run is short, so the start of the decoders and the "
        "last batches, which find nothing beside them, weigh more than in a library of thousands."
    ),
    "search_p50_ms": (
        "**Search in the embedded store**: LanceDB's own fixed cost (5 ms with one partition "
        "probed, on a loaded Zen 3 machine) and the re-reading of full vectors for exact distances. Tried: "
        "searching whole roots without a filter, which would read every row's root (kept); 4 times "
        "as many vectors read again as asked for instead of 8 (kept: same recall); fewer "
        "partitions (8 instead of 32 lose 1.4 % of recall and gain little)."
    ),
    "search_vs_forward": (
        "**Search against one forward pass**: decoding the query in a process apart is the rest."
    ),
}
