"""Every pretrained network that curation runs, each behind the few functions that the stages need.

`region` cuts the rotated squares that landmark networks read, `tflite` runs a TFLite file, `pose` is BlazePose. Each is
held against its authors' own run of the same weights in `tests/integration/test_networks_agree.py`.
"""
