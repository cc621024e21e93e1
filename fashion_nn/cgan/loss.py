"""The least-squares GAN loss with targets 1 for real and 0 for generated (Mao et al., ICCV 2017, eq. 9)."""

from torch import Tensor


def discriminator_real(realism: Tensor) -> Tensor:
    """½·mean (D(X, c) − 1)² over real pictures; realism [N]."""
    return 0.5 * (realism - 1).square().mean()


def discriminator_fake(realism: Tensor) -> Tensor:
    """½·mean D(G(z, c), c)² over generated pictures; realism [N]."""
    return 0.5 * realism.square().mean()


def generator_adversarial(realism: Tensor) -> Tensor:
    """½·mean (D(G(z, c), c) − 1)²; realism [N]."""
    return 0.5 * (realism - 1).square().mean()
