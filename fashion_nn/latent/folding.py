"""The three networks as the latent engine runs them: frozen, batch norms folded, in one dtype, channels last.

What depends on the category alone is computed once: the one-hot columns of G's first layer and the one-hot maps that D
joins to its feature maps become tables of biases. A resize convolution becomes the one transposed convolution that it
equals. So the folded networks compute the same functions by fewer operations; only rounding differs.

R3GAN's networks have nothing to fold. Only their stages compute in the dtype: what leaves the critic is a difference of
large numbers, and so stays float32.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights

from fashion_nn.cgan import modern
from fashion_nn.cgan.network import LEAK, Discriminator, Generator
from fashion_nn.dvbpr.network import Look, placed
from fashion_nn.latent.objective import Networks


def folded(networks: Networks, *, dtype: torch.dtype = torch.float32) -> Networks:
    """Copies of the networks for the engine. They take and give float32, and compute in `dtype`.

    Folded networks may be folded again, as where they went to another process, which those they come from cannot.
    """
    plain = Networks(*(copy.deepcopy(network).eval().requires_grad_(False) for network in networks))
    made = Networks(
        folded_generator(plain.generator, dtype),
        folded_discriminator(plain.discriminator, dtype),
        FoldedLook(plain.look).to(dtype),
    )
    for network in made:
        network.to(memory_format=torch.channels_last).requires_grad_(False)
    return made


def folded_generator(generator: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A generator of either architecture, in eval mode, that computes in `dtype`; it may share what it is made of."""
    if isinstance(generator, modern.Generator):
        generator.layers.to(dtype)
        return generator
    if isinstance(generator, FoldedGenerator):
        return generator.to(dtype)
    return FoldedGenerator(generator).to(dtype)


def folded_discriminator(discriminator: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The same for a discriminator."""
    if isinstance(discriminator, modern.Discriminator):
        discriminator.critic.layers.to(dtype)
        return discriminator
    if isinstance(discriminator, FoldedDiscriminator):
        return discriminator.to(dtype)
    return FoldedDiscriminator(discriminator).to(dtype)


class FoldedGenerator(nn.Module):
    """`cgan.network.Generator` in eval mode."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.n_categories = generator.n_categories
        self.latent_dimensions, self.picture_size = generator.latent_dimensions, generator.picture_size
        linear, unflatten = generator.code
        norm, self.activation = generator.code_norm
        channels, height, width = unflatten.unflattened_size
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * scale
        scale, shift = (each.repeat_interleave(height * width) for each in (scale, shift))
        weight = linear.weight * scale[:, None]
        of_code, of_category = weight.split([self.latent_dimensions, self.n_categories], 1)
        self.register_buffer("weight", of_code.contiguous())
        self.register_buffer("bias", (linear.bias * scale + shift) + of_category.T)  # [C, channels·h·w]
        self.shape = (channels, height, width)
        self.layers = nn.Sequential(*_folded_layers(list(generator.layers)))

    def forward(self, codes: Tensor, category: Tensor) -> Tensor:
        features = F.linear(codes.to(self.weight.dtype), self.weight) + self.bias[category]
        features = features.unflatten(1, self.shape).contiguous(memory_format=torch.channels_last)
        return self.layers(self.activation(features)).float()


class FoldedDiscriminator(nn.Module):
    """`cgan.network.Discriminator` in eval mode."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.n_categories = discriminator.n_categories
        self.convolutions, tables = nn.ModuleList(), []
        size = discriminator.picture_size
        for convolution, norm in zip(discriminator.convolutions, discriminator.norms, strict=True):
            weight, bias = convolution.weight, convolution.bias  # spectral norm: as scaled as in eval mode
            if isinstance(norm, nn.BatchNorm2d):
                weight, bias = fuse_conv_bn_weights(
                    weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                )
            plain, table = _without_maps(convolution, weight, bias, self.n_categories, size)
            self.convolutions.append(plain)
            tables.append(table)
            size = table.shape[-1]
        self.tables = nn.ParameterList(tables)
        self.head = _channels_last_head(discriminator.head, size)

    def forward(self, pictures: Tensor, category: Tensor) -> Tensor:
        features = pictures.to(self.convolutions[0].weight.dtype, memory_format=torch.channels_last)
        for convolution, table in zip(self.convolutions, self.tables, strict=True):
            features = F.leaky_relu(convolution(features) + table[category], LEAK)
        return self.head(features.permute(0, 2, 3, 1).flatten(1)).squeeze(1).float()


class FoldedLook(nn.Module):
    """`dvbpr.network.Look` in eval mode."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.picture_size, self.dimensions = look.picture_size, look.dimensions
        self.features, self.head = look.features, look.head
        self.head.eval()
        self.register_buffer("places", look.places)

    def forward(self, pictures: Tensor, categories: Tensor | None = None) -> Tensor:
        features = self.features(pictures.to(self.head[0].weight.dtype, memory_format=torch.channels_last))
        return placed(self.head(features.flatten(1)).float(), categories, self.places)


def _folded_layers(layers: list[nn.Module]) -> list[nn.Module]:
    """Convolutions with the batch norms behind them, and resize convolutions in one."""
    made: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            before = made.pop()
            made.append(fuse_conv_bn_eval(before, layer, transpose=isinstance(before, nn.ConvTranspose2d)))
        else:
            made.append(_resize_convolution_in_one(layer) if isinstance(layer, nn.Sequential) else layer)
    return made


def _resize_convolution_in_one(layer: nn.Sequential) -> nn.Module:
    """Pixels repeated s times and then a 3×3 convolution: a transposed convolution of stride s.

    Its kernel is the convolution's, flipped, spread over the s×s copies of a pixel: 4×4 with padding 1 for s = 2.
    """
    upsample, convolution = layer
    stride = int(upsample.scale_factor)
    if stride == 1:
        return convolution
    spread = convolution.weight.new_ones(1, 1, stride, stride)
    outputs, inputs = convolution.weight.shape[:2]
    flipped = convolution.weight.flip(2, 3).reshape(outputs * inputs, 1, 3, 3)
    kernel = F.conv2d(flipped, spread, padding=stride - 1).reshape(outputs, inputs, stride + 2, stride + 2)
    made = nn.ConvTranspose2d(inputs, outputs, stride + 2, stride=stride, padding=1)
    made.weight.data, made.bias.data = kernel.transpose(0, 1).contiguous(), convolution.bias.data
    return made.eval()


@torch.no_grad()
def _without_maps(
    convolution: nn.Conv2d, weight: Tensor, bias: Tensor, n_categories: int, size: int
) -> tuple[nn.Conv2d, Tensor]:
    """The part of a convolution that looks at features, and what it adds for each category [C, outputs, h, w]."""
    inputs = convolution.in_channels - n_categories
    of_features, of_maps = weight.split([inputs, n_categories], 1)
    made = nn.Conv2d(
        inputs,
        convolution.out_channels,
        convolution.kernel_size,
        stride=convolution.stride,
        padding=convolution.padding,
        bias=False,
    )
    made.weight.data = of_features.contiguous()
    maps = torch.eye(n_categories)[:, :, None, None].to(of_maps).expand(-1, -1, size, size)
    table = F.conv2d(maps, of_maps, bias, convolution.stride, convolution.padding)
    return made, table


@torch.no_grad()
def _channels_last_head(head: nn.Module, size: int) -> nn.Sequential:
    """The linear layers behind the last feature map, for features flattened with the channels last."""
    made: list[nn.Module] = []
    for layer in head if isinstance(head, nn.Sequential) else [head]:
        if isinstance(layer, nn.Linear):
            weight, linear = layer.weight, nn.Linear(layer.in_features, layer.out_features)
            if not made:
                weight = weight.unflatten(1, (-1, size, size)).permute(0, 2, 3, 1).flatten(1)
            linear.weight.data, linear.bias.data = weight.contiguous(), layer.bias.data
            layer = linear
        made.append(layer)
    return nn.Sequential(*made)
