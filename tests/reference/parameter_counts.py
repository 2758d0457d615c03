"""Published numbers of parameters, at 1000 classes: torchvision's documentation, and sums over the Caffe layers."""

PARAMETERS = {
    "resnet10": 5_418_792,  # 9,536 + 73,984 + 230,144 + 919,040 + 3,673,088 + 513,000
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
}
