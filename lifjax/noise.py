r"""Random deviates as a pure function of (seed, stream, neuron, step).

A key is never split as a run goes on. Each deviate comes from a counter: Threefry-2x32 with 13 rounds, the fewest
that pass BigCrush (Salmon et al. 2011, doi:10.1145/2063384.2063405), turns the counter (neuron, step // 2) into two
32-bit words, one for each of two steps. So a deviate is the same however a run is cut into chunks, blocks, devices or
restarts, and adding neurons after a neuron does not change what that neuron sees.

A word becomes a standard normal deviate through the inverse of the normal distribution function,
:math:`z = \sqrt 2\,\mathrm{erf}^{-1}(1 - 2p)`. One bit is the sign and the other 31 give the tail probability
:math:`p \in (0, 1/2)` itself, not its distance from one, so the tails keep their full resolution in float32 and end at
6.3 standard deviations. In float32 the inverse is a polynomial in :math:`w = -\log(4p(1-p))`, which has no branches
to diverge on (the method of Giles 2011, "Approximating the erfinv function", GPU Computing Gems, Jade Edition, with
coefficients fitted for this longer range); in float64 it is XLA's own ``erf_inv``.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

Key = tuple[Array, Array]

ROUNDS = 13
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA

# z / (1 - 2p) as a polynomial, highest power first: of w - 2.5 where w < 5 and of sqrt(w) - 3 from there to w = 22.2,
# the end of the range; least-squares fits reweighted towards the smallest largest relative error (3e-7 and 4e-7).
_CENTRE = (
    4.46379283e-07, -4.50551139e-06, -5.7901365e-06, 0.000307359486,
    -0.00177431668, -0.00590612168, 0.348803642, 2.12331322,
)  # fmt: skip
_TAIL = (
    -0.000239529727, 0.00163686316, -0.00474968051, 0.00819565366,
    -0.0109351674, 0.0133383508, 1.41659506, 4.00643486,
)  # fmt: skip


def threefry(key: Key, counter: Key, rounds: int = ROUNDS) -> Key:
    """Threefry-2x32: two 32-bit words from a two-word key and a two-word counter.

    Args:
        key: two uint32 words.
        counter: two uint32 words; arrays broadcast.
        rounds: how many mixing rounds (20 is what ``jax.random`` uses).

    Returns:
        Two uint32 arrays of the broadcast shape.

    Example:
        >>> from lifjax import noise
        >>> words = noise.threefry((jnp.uint32(0), jnp.uint32(0)), (jnp.uint32(0), jnp.uint32(0)), rounds=20)
        >>> [hex(word) for word in words]  # the known answer of Random123
        ['0x6b200159', '0x99ba4efe']
    """
    schedule = (*key, key[0] ^ key[1] ^ jnp.uint32(_PARITY))
    x, y = counter[0] + schedule[0], counter[1] + schedule[1]
    for i in range(rounds):
        rotation = _ROTATIONS[i % 8]
        x = x + y
        y = x ^ ((y << jnp.uint32(rotation)) | (y >> jnp.uint32(32 - rotation)))
        if i % 4 == 3:
            j = i // 4 + 1
            x, y = x + schedule[j % 3], y + schedule[(j + 1) % 3] + jnp.uint32(j)
    return x, y


def words(seed: int) -> np.ndarray:
    """The two uint32 words of a seed, low word first.

    Example:
        >>> from lifjax import noise
        >>> noise.words(2**32 + 7)
        array([7, 1], dtype=uint32)
    """
    return np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], np.uint32)


def key(seed: ArrayLike, stream: int = 0, purpose: int = 0) -> Key:
    """A key for one source of noise.

    Args:
        seed: an integer from 0 to 2**64 - 1, or its two ``words``, which may be traced, or a traced one below 2**32.
        stream: which source, so that two sources in one run are independent.
        purpose: 0 for the deviates of the steps, 1 for those of the initial state.

    Returns:
        Two uint32 words.

    Example:
        >>> from lifjax import noise
        >>> [int(word) for word in noise.key(0)] == [int(word) for word in noise.key(0, stream=1)]
        False
    """
    pair = jnp.asarray(words(seed) if isinstance(seed, int) else seed).astype(jnp.uint32)
    low, high = (pair, jnp.uint32(0)) if pair.ndim == 0 else (pair[0], pair[1])
    return threefry((low, high), (jnp.uint32(stream), jnp.uint32(purpose)))


def bits(key: Key, neuron: ArrayLike, step: ArrayLike) -> Array:
    """32 random bits for a neuron at a step.

    Args:
        key: what `key` returned.
        neuron: index of the neuron in its population, uint32; arrays broadcast with step.
        step: absolute step since time 0, int32 or uint32.

    Returns:
        uint32 of the broadcast shape.

    Example:
        >>> from lifjax import noise
        >>> noise.bits(noise.key(0), jnp.arange(3, dtype=jnp.uint32), 5).shape
        (3,)
    """
    step = jnp.asarray(step, jnp.uint32)
    first, second = threefry(key, (jnp.asarray(neuron, jnp.uint32), step >> jnp.uint32(1)))
    return jnp.where(step & jnp.uint32(1), second, first)


def uniform(key: Key, neuron: ArrayLike, step: ArrayLike) -> Array:
    """A deviate uniform on (0, 1], as fine near 0 as 2**-33, for a neuron at a step.

    Example:
        >>> from lifjax import noise
        >>> u = noise.uniform(noise.key(0), jnp.arange(1000, dtype=jnp.uint32), 0)
        >>> bool((u > 0).all() and (u <= 1).all())
        True
    """
    dtype = jnp.result_type(float)
    word = bits(key, neuron, step)
    return (word.astype(dtype) + dtype.type(0.5)) * dtype.type(2.0**-32)


def normal(key: Key, neuron: ArrayLike, step: ArrayLike) -> Array:
    """A standard normal deviate for a neuron at a step.

    Args:
        key: what `key` returned.
        neuron: index of the neuron in its population, uint32; arrays broadcast with step.
        step: absolute step since time 0.

    Returns:
        float32 of the broadcast shape, float64 where JAX has x64 enabled (the same deviate to 2e-6).

    Example:
        >>> from lifjax import noise
        >>> z = noise.normal(noise.key(0), jnp.arange(100_000, dtype=jnp.uint32), 0)
        >>> print(f"{abs(z.mean()):.1f} {z.std():.1f}")
        0.0 1.0
    """
    return _normal_of(bits(key, neuron, step))


def _normal_of(word: Array) -> Array:
    dtype = jnp.result_type(float)
    # Through int32, since conversion from unsigned words does not vectorise everywhere.
    magnitude = (word & jnp.uint32(0x7FFFFFFF)).astype(jnp.int32).astype(dtype)
    p = (magnitude + dtype.type(0.5)) * dtype.type(2.0**-32)
    x = 1 - 2 * p
    if dtype == jnp.float64:
        z = dtype.type(np.sqrt(2)) * lax.erf_inv(x)
    else:
        w = -jnp.log(4 * p * (1 - p))
        centre, tail = w - dtype.type(2.5), jnp.sqrt(w) - 3
        z = x * jnp.where(w < 5, _polynomial(_CENTRE, centre), _polynomial(_TAIL, tail))
    return jnp.where(word >> jnp.uint32(31), -z, z)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    value = jnp.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        value = value * x + jnp.asarray(c, x.dtype)
    return value
