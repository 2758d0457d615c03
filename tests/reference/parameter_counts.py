"""Published numbers of parameters, at 1000 classes: torchvision's documentation, and sums over the Caffe layers."""

PARAMETERS = {
    # conv1 to conv5: 34_944 + 307_456 + 885_120 + 663_936 + 442_624 = 2_334_080
    "alexnet": 60_965_224,  # 2_334_080 + 37_752_832 + 16_781_312 + 4_097_000
    "alexnet_gap": 5_719_400,  # 2_334_080 + 2_360_320 + 1_025_000
    "alexnet_plus_gap": 5_133_800,  # 34_944 + 307_456 + 885_120 + 2 * 663_936 + 885_248 + 1_180_160 + 513_000
    "alexnet_torchvision": 61_100_840,
    # The LayerNorm of the head is one of the backbone in the _gap networks, no more and no less.
    "convnext_tiny": 28_589_128,
    "convnext_tiny_gap": 28_589_128,
    "convnext_small": 50_223_688,
    "convnext_small_gap": 50_223_688,
    "convnext_base": 88_591_464,
    "convnext_base_gap": 88_591_464,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    # conv1, conv2 9_472 + 114_944; inception_3 163_696 + 388_736; inception_4 376_176 + 449_160 + 510_104 + 605_376
    # + 868_352; together 3_486_016
    "googlenet": 6_998_552,  # 3_486_016 + 1_043_456 + 1_444_080 + 1_025_000
    "googlenet_gap": 12_179_752,  # 3_486_016 + 7_668_736 + 1_025_000
    "googlenet_gmp": 12_179_752,
    "googlenet_torchvision": 6_624_904,
    "inception_v3": 23_834_568,  # 27_161_264 with the auxiliary classifier's 98_560 + 2_459_136 + 769_000
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_small": 2_542_856,
    "mobilenet_v3_small_gap": 1_504_008,  # 2_542_856 - 590_848 - 1_025_000 + 577_000
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_large_gap": 3_932_952,  # 5_483_032 - 1_230_080 - 1_281_000 + 961_000
    # 34_944 + 2 * 9_312 + 614_656 + 2 * 65_792 + 885_120 + 2 * 147_840 + 3_539_968 + 1_049_600 + 1_025_000
    "nin": 7_595_176,
    "regnet_y_400mf": 4_344_144,
    "regnet_y_800mf": 6_432_512,
    "regnet_y_1_6gf": 11_202_430,
    "regnet_y_3_2gf": 19_436_338,
    "regnet_y_8gf": 39_381_472,
    "regnet_y_16gf": 83_590_140,
    "regnet_y_32gf": 145_046_770,
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
    # For 102_764_544 + 16_781_312 + 4_097_000 a GAP network has 9 * 512 * 1024 + 1024 + 1_025_000 = 5_744_616.
    "vgg11": 132_863_336,
    "vgg11_gap": 14_965_096,
    "vgg11_bn": 132_868_840,
    "vgg11_bn_gap": 14_970_600,
    "vgg13": 133_047_848,
    "vgg13_gap": 15_149_608,
    "vgg13_bn": 133_053_736,
    "vgg13_bn_gap": 15_155_496,
    "vgg16": 138_357_544,
    "vgg16_gap": 20_459_304,
    "vgg16_bn": 138_365_992,
    "vgg16_bn_gap": 20_467_752,
    "vgg19": 143_667_240,
    "vgg19_gap": 25_769_000,
    "vgg19_bn": 143_678_248,
    "vgg19_bn_gap": 25_780_008,
    "vit_b_16": 86_567_656,
    "vit_b_16_gap": 86_566_120,  # 86_567_656 - 768 of the class token - 768 of its position
    "vit_b_32": 88_224_232,
    "vit_b_32_gap": 88_222_696,  # 88_224_232 - 2 * 768
}
