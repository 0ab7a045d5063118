"""torchvision: the evaluation transforms of its ImageNet weights, by name, as applied to Pillow images."""

import difflib
from collections.abc import Mapping
from functools import cache

from onnxmint.errors import UsageError
from onnxmint.preprocess.spec import Filter, PreprocessSpec

# Shorter side, crop, filter, weights: models. tools/fixtures/preprocessing.py records what a test compares this with.
_TABLE = """
256 224 bilinear IMAGENET1K_V1: AlexNet DenseNet121 DenseNet161 DenseNet169 DenseNet201 GoogLeNet MNASNet0_5
  MNASNet1_0 MobileNet_V2 MobileNet_V3_Large MobileNet_V3_Small RegNet_X_16GF RegNet_X_1_6GF RegNet_X_32GF
  RegNet_X_3_2GF RegNet_X_400MF RegNet_X_800MF RegNet_X_8GF RegNet_Y_16GF RegNet_Y_1_6GF RegNet_Y_32GF
  RegNet_Y_3_2GF RegNet_Y_400MF RegNet_Y_800MF RegNet_Y_8GF ResNet101 ResNet152 ResNet18 ResNet34 ResNet50
  ResNeXt101_32X8D ResNeXt50_32X4D ShuffleNet_V2_X0_5 ShuffleNet_V2_X1_0 SqueezeNet1_0 SqueezeNet1_1 VGG11 VGG11_BN
  VGG13 VGG13_BN VGG16 VGG16_BN VGG19 VGG19_BN ViT_B_16 ViT_B_32 ViT_L_32 Wide_ResNet101_2 Wide_ResNet50_2
232 224 bilinear IMAGENET1K_V1: ConvNeXt_Base ConvNeXt_Large MNASNet0_75 MNASNet1_3 ResNeXt101_64X4D
  ShuffleNet_V2_X1_5 ShuffleNet_V2_X2_0
230 224 bilinear IMAGENET1K_V1: ConvNeXt_Small
236 224 bilinear IMAGENET1K_V1: ConvNeXt_Tiny
256 224 bicubic IMAGENET1K_V1: EfficientNet_B0
256 240 bicubic IMAGENET1K_V1: EfficientNet_B1
255 240 bilinear IMAGENET1K_V2: EfficientNet_B1
288 288 bicubic IMAGENET1K_V1: EfficientNet_B2
320 300 bicubic IMAGENET1K_V1: EfficientNet_B3
384 380 bicubic IMAGENET1K_V1: EfficientNet_B4
456 456 bicubic IMAGENET1K_V1: EfficientNet_B5
528 528 bicubic IMAGENET1K_V1: EfficientNet_B6
600 600 bicubic IMAGENET1K_V1: EfficientNet_B7
480 480 bicubic IMAGENET1K_V1: EfficientNet_V2_L
480 480 bilinear IMAGENET1K_V1: EfficientNet_V2_M
384 384 bilinear IMAGENET1K_V1: EfficientNet_V2_S
342 299 bilinear IMAGENET1K_V1: Inception_V3
224 224 bicubic IMAGENET1K_V1: MaxVit_T
232 224 bilinear IMAGENET1K_V2: MobileNet_V2 MobileNet_V3_Large RegNet_X_16GF RegNet_X_1_6GF RegNet_X_32GF
  RegNet_X_3_2GF RegNet_X_400MF RegNet_X_800MF RegNet_X_8GF RegNet_Y_16GF RegNet_Y_1_6GF RegNet_Y_32GF
  RegNet_Y_3_2GF RegNet_Y_400MF RegNet_Y_800MF RegNet_Y_8GF ResNet101 ResNet152 ResNet50 ResNeXt101_32X8D
  ResNeXt50_32X4D Wide_ResNet101_2 Wide_ResNet50_2
384 384 bicubic IMAGENET1K_SWAG_E2E_V1: RegNet_Y_128GF RegNet_Y_16GF RegNet_Y_32GF ViT_B_16
224 224 bicubic IMAGENET1K_SWAG_LINEAR_V1: RegNet_Y_128GF RegNet_Y_16GF RegNet_Y_32GF ViT_B_16 ViT_H_14 ViT_L_16
238 224 bicubic IMAGENET1K_V1: Swin_B
246 224 bicubic IMAGENET1K_V1: Swin_S
232 224 bicubic IMAGENET1K_V1: Swin_T
272 256 bicubic IMAGENET1K_V1: Swin_V2_B
260 256 bicubic IMAGENET1K_V1: Swin_V2_S Swin_V2_T
256 224 bilinear IMAGENET1K_FEATURES: VGG16
518 518 bicubic IMAGENET1K_SWAG_E2E_V1: ViT_H_14
242 224 bilinear IMAGENET1K_V1: ViT_L_16
512 512 bicubic IMAGENET1K_SWAG_E2E_V1: ViT_L_16
256 224 bilinear IMAGENET1K_FBGEMM_V1: GoogLeNet_Quantized ResNet18_Quantized ResNet50_Quantized
  ResNeXt101_32X8D_Quantized ShuffleNet_V2_X0_5_Quantized ShuffleNet_V2_X1_0_Quantized
342 299 bilinear IMAGENET1K_FBGEMM_V1: Inception_V3_Quantized
256 224 bilinear IMAGENET1K_QNNPACK_V1: MobileNet_V2_Quantized MobileNet_V3_Large_Quantized
232 224 bilinear IMAGENET1K_FBGEMM_V2: ResNet50_Quantized ResNeXt101_32X8D_Quantized
232 224 bilinear IMAGENET1K_FBGEMM_V1: ResNeXt101_64X4D_Quantized ShuffleNet_V2_X1_5_Quantized
  ShuffleNet_V2_X2_0_Quantized
"""
_FILTERS: Mapping[str, Filter] = {"bilinear": "bilinear", "bicubic": "bicubic"}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_OTHERS = {
    "EfficientNet_V2_L_Weights.IMAGENET1K_V1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "VGG16_Weights.IMAGENET1K_FEATURES": ((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)),
}
# What DEFAULT stands for: the first of these that a model has.
_DEFAULTS = (
    "IMAGENET1K_V2", "IMAGENET1K_V1", "IMAGENET1K_SWAG_E2E_V1", "IMAGENET1K_FBGEMM_V2", "IMAGENET1K_FBGEMM_V1",
    "IMAGENET1K_QNNPACK_V1",
)  # fmt: skip


@cache
def torchvision_weights() -> Mapping[str, PreprocessSpec]:
    """Return the preprocessing of all weights, DEFAULT included, by their name such as ResNet50_Weights.DEFAULT."""
    found: dict[str, PreprocessSpec] = {}
    for line in _TABLE.strip().replace("\n  ", " ").splitlines():
        head, _, models = line.partition(": ")
        side, crop, name, weights = head.split()
        for model in models.split():
            full = f"{model}Weights.{weights}" if model.endswith("_Quantized") else f"{model}_Weights.{weights}"
            mean, std = _OTHERS.get(full, (_MEAN, _STD))
            found[full] = PreprocessSpec(
                name=f"torchvision:{full}",
                origin="torchvision",
                size=(int(side), int(side)),
                resize="shortest",
                filter=_FILTERS[name],
                crop=(int(crop), int(crop)),
                pad=(0,),
                scale=1 / 255,
                mean=mean,
                std=std,
            )
    for enum in {full.partition(".")[0] for full in found}:
        found[f"{enum}.DEFAULT"] = next(found[f"{enum}.{one}"] for one in _DEFAULTS if f"{enum}.{one}" in found)
    return found


def weights_named(name: str) -> PreprocessSpec:
    """Return the preprocessing of weights.

    Raises:
        UsageError: no such weights; the closest names are told.
    """
    known = torchvision_weights()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.3)
    hint = f"; closest: {', '.join(near)}" if near else ""
    raise UsageError(
        f"--preprocess torchvision:{name}: torchvision has no such ImageNet weights, expected a name such as "
        f"ResNet50_Weights.IMAGENET1K_V2{hint}"
    )
