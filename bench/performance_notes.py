"""The words of docs/performance.md: written by hand, kept beside what fills in the figures."""

OPENING = """# Performance

Written by `make bench`. Absolute figures are this machine's, on the day; the bars are ratios
between figures of one run. The article's way is torch in fp32, one picture at a time. A backend may
be used if its vectors stay with torch's fp32: cosine 0.9995 on average, 0.998 at least, overlap@10
0.98. OpenVINO is used where `pip install lookalike[openvino]` was done, else torch. All in fp32, on
two Zen 3 cores: in bulk OpenVINO was 1.11 times as fast as torch in four interleaved rounds on a
quiet machine (0.97 to 1.22 times in four other runs), ONNX Runtime 1.15 times (1.01 to 1.23); one
picture alone took OpenVINO 121 and 128 ms, torch 157 ms, each in a run of its own. With OpenVINO
the daemon took about 180 MiB more. On processors with AMX neither has been measured.
"""

NOTES = {
    "ingest_vs_article": (
        "**Ingest against the article's way** is bounded by arithmetic where a processor has no "
        "bfloat16 of its own: on two Zen 3 cores every backend computes in fp32, and the best of "
        "them, alone, is 1.4 to 1.8 times the article's way, which uses both cores as well. On two "
        "AMX cores, in bf16, ingest was 4.0 times. Tried: torch's dynamic 8-bit linear layers, 1.4 "
        "times as fast as fp32 in the same run, but with a mean cosine of 0.934 (bar 0.9995)."
    ),
    "ingest_vs_best": (
        "**Ingest against the best backend**: the best is mostly ONNX Runtime, which is "
        "not used. A picture costs 3.6 to 4 ms of a core in a decoder, more than half of it two "
        "resizes by Pillow, and it cost 0.9 ms in the daemon on AMX. Tried: thumbnails by a "
        "Hamming filter instead of a bicubic (0.5 ms less), the mean colour by a histogram (0.1 ms "
        "less), glibc's mmap threshold (no gain). Not tried: starting decoders while the model "
        "loads, shared memory in place of sockets."
    ),
    "large_vs_parts": (
        "**Photographs of 12 megapixels**: 48 of them, from the first scan on; 0.88 and 0.94 in "
        "runs with OpenVINO, 0.67 in one with torch. What the start of the decoders and the last, "
        "unfilled batches take of so short a run was not measured apart."
    ),
    "daemon_resident_mib": "**The daemon's memory**: in a run with torch alone it was 1,158 MiB.",
    "search_p50_ms": (
        "**Search in the embedded store**: LanceDB's own fixed cost (4 to 6 ms with one partition "
        "probed) and reading full vectors for exact distances (4 ms and more). Tried, in turns: "
        "one turn of LanceDB's background loop for each query instead of seven, and counting rows "
        "once a version, 13.3 to 9.9 ms at 100,000 rows (kept); "
        "searching whole roots without a filter, which reads every row's root: 27.3 to 16.9 ms at "
        "100,000 rows, 154 to 30.5 ms at 1,000,000, recall@10 1.00 of 100 queries (kept). "
        "Reading again 2, 4 or 8 times as many vectors as asked for, 16 or 32 partitions: no "
        "difference beyond the noise, recall@10 0.993 and more at both sizes; 8 partitions: 0.986 "
        "at 100,000; fewer or more of Lance's threads, no gain. "
        "Not tried: HNSW, exact search in memory, which numpy does in 7.7 ms at "
        "100,000 rows."
    ),
    "search_vs_forward": (
        "**Search against one forward pass**: the rest is decoding in a process apart and the "
        "store."
    ),
}
