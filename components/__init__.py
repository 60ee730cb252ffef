"""What the estate is: Pulumi component resources that make no calls.

Modules here never postpone annotations: the component analyser reads them at run time.
"""
