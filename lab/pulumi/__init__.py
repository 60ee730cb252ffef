"""The lab's own Pulumi engine, and the resource providers it and the genuine command line share.

`python -m lab.pulumi ARGS` answers like `pulumi ARGS`: it speaks Pulumi's gRPC protocol with the stubs that ship in
the `pulumi` package, keeps its state in the file layout of the genuine command line, and runs unmodified programs and
the unmodified Automation API. What it does not do is listed in docs/reference/embedded-engine.md.
"""
