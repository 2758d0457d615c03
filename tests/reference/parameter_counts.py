"""Published numbers of parameters, at 1000 classes: torchvision's documentation, and sums over the Caffe layers."""

PARAMETERS = {
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_small": 2_542_856,
    "mobilenet_v3_small_gap": 1_504_008,  # 2_542_856 - 590_848 - 1_025_000 + 577_000
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_large_gap": 3_932_952,  # 5_483_032 - 1_230_080 - 1_281_000 + 961_000
    "resnet10": 5_418_792,  # 9,536 + 73,984 + 230,144 + 919,040 + 3,673,088 + 513,000
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "shufflenet_v2_x0_5": 1_366_792,
    "shufflenet_v2_x1_0": 2_278_604,
    "shufflenet_v2_x1_5": 3_503_624,
    "shufflenet_v2_x2_0": 7_393_996,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
}
