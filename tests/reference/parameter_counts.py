"""Published numbers of parameters, at 1000 classes: torchvision's documentation, and sums over the Caffe layers."""

PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
}
