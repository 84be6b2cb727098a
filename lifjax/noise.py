r"""Random deviates as a pure function of (seed, stream, neuron, step).

A key is never split as a run goes on. Each deviate comes from a counter: Threefry-2x32 with 13 rounds, the fewest
that pass BigCrush (Salmon et al. 2011, doi:10.1145/2063384.2063405), turns the counter (neuron, step // 2) into two
32-bit words, one for each of two steps. So a deviate is the same however a run is cut into chunks, blocks, devices or
restarts, and adding neurons after a neuron does not change what that neuron sees.

A word becomes a standard normal deviate through the inverse of the normal distribution function,
:math:`z = \sqrt 2\,\mathrm{erf}^{-1}(1 - 2p)`. One bit is the sign and the other 31 give the tail probability
:math:`p \in (0, 1/2)` itself, not its distance from one, so the tails keep their full resolution in float32 and end at
6.3 standard deviations. In float32 the inverse is one polynomial in :math:`w = -\log(4p(1-p))` over the whole range, so
there is no branch to diverge on (the variable is that of Giles 2011, "Approximating the erfinv function", GPU Computing
Gems, Jade Edition; the coefficients are our own fits); in float64 it is XLA's own ``erf_inv``, whose last bit
is another from JAX 0.11 on than before, while float32 has been the same in all versions so far.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

Key = tuple[Array, Array]

ROUNDS = 13
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA

# Least-squares fits, reweighted towards the smallest largest error, highest power first.
# log(1 + r) / r on [sqrt(1/2), sqrt(2)] - 1, error 3.4e-8.
_LOG = (-0.101023609, 0.164202044, -0.173335121, 0.198730212, -0.249593377, 0.333361829, -0.500006675, 0.999999814)
# z / (1 - 2p) as a polynomial in 2 w / _END - 1, where w = _END is beyond the end of the range; relative error 1.3e-7.
_END = 22.25
_INVERSE = (
    0.0687203967, -0.0618850773, -0.241470969, 0.25466957, 0.248886264, -0.310979816, -0.0636919881, 0.0689411776,
    0.103701309, -0.0683919407, -0.0259018765, 0.0777547488, -0.14359629, 0.26756271, -0.575528446, 2.37289077,
    4.48275721,
)  # fmt: skip
_ROOT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)


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


def pair(key: Key, neuron: ArrayLike, step: ArrayLike) -> Key:
    """32 random bits for each neuron at an even step, and at the step after it, for the price of one.

    Args:
        key: what `key` returned.
        neuron: index of the neuron in its population, uint32; arrays broadcast with step.
        step: absolute step since time 0, int32 or uint32; an odd one counts as the even one before it.

    Returns:
        Two uint32 arrays of the broadcast shape.

    Example:
        >>> from lifjax import noise
        >>> both = noise.pair(noise.key(0), jnp.uint32(7), 4)
        >>> [int(word) for word in both] == [int(noise.bits(noise.key(0), jnp.uint32(7), k)) for k in (4, 5)]
        True
    """
    counter = (jnp.asarray(neuron, jnp.uint32), jnp.asarray(step).astype(jnp.uint32) >> jnp.uint32(1))
    return threefry(key, counter)


def bits(key: Key, neuron: ArrayLike, step: ArrayLike) -> Array:
    """32 random bits for a neuron at a step, as `pair` has them.

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
    first, second = pair(key, neuron, step)
    return jnp.where(jnp.asarray(step).astype(jnp.uint32) & jnp.uint32(1), second, first)


def uniform(word: Array) -> Array:
    """A deviate uniform on (0, 1], as fine near 0 as 2**-33, from 32 random bits.

    Args:
        word: what `bits` returned.

    Example:
        >>> from lifjax import noise
        >>> u = noise.uniform(noise.bits(noise.key(0), jnp.arange(1000, dtype=jnp.uint32), 0))
        >>> bool((u > 0).all() and (u <= 1).all())
        True
    """
    dtype = jnp.result_type(float)
    return (word.astype(dtype) + dtype.type(0.5)) * dtype.type(2.0**-32)


def gumbel(word: Array) -> Array:
    """A standard Gumbel deviate, the negative logarithm of an exponential one, from 32 random bits.

    It is at least x with probability 1 - exp(-exp(-x)). That is resolved to 2**-32 where it is small; the largest
    deviate is 22.9, and the smallest -2.8.

    Args:
        word: what `bits` returned.

    Example:
        >>> from lifjax import noise
        >>> g = noise.gumbel(noise.bits(noise.key(0), jnp.arange(100_000, dtype=jnp.uint32), 0))
        >>> print(f"{g.mean():.2f} {g.var():.1f}")  # Euler's constant 0.577 and pi^2 / 6 = 1.645
        0.58 1.7
    """
    u = uniform(word)
    u = jnp.minimum(u, u.dtype.type(1 - 2.0**-24))
    if u.dtype == jnp.float64:
        return -jnp.log(-jnp.log1p(-u))
    exponential = -_logarithm(1 - u, -u)
    return -_logarithm(exponential, exponential - 1)


def normal(word: Array) -> Array:
    """A standard normal deviate from 32 random bits.

    Args:
        word: what `bits` returned.

    Returns:
        float32 of word's shape, float64 where JAX has x64 enabled (the same deviate to 3e-6).

    Example:
        >>> from lifjax import noise
        >>> z = noise.normal(noise.bits(noise.key(0), jnp.arange(100_000, dtype=jnp.uint32), 0))
        >>> print(f"{abs(z.mean()):.1f} {z.std():.1f}")
        0.0 1.0
    """
    dtype = jnp.result_type(float)
    # Through int32, since conversion from unsigned words does not vectorise everywhere.
    magnitude = (word & jnp.uint32(0x7FFFFFFF)).astype(jnp.int32).astype(dtype)
    p = magnitude * dtype.type(2.0**-32) + dtype.type(2.0**-33)
    x = 1 - 2 * p
    if dtype == jnp.float64:
        z = dtype.type(np.sqrt(2)) * lax.erf_inv(x)
    else:
        z = x * _polynomial(_INVERSE, _place(4 * p * (1 - p)))
    return jnp.where(word >> jnp.uint32(31), -z, z)


def _place(q: Array) -> Array:
    """2 w / _END - 1 for w = -log(q): where q, in (0, 1], stands in the range of the polynomial."""
    scale = -2 / _END
    raw = lax.bitcast_convert_type(q, jnp.int32)
    exponent = (raw - jnp.int32(_ROOT_HALF)) >> jnp.int32(23)
    # What is left of q without its exponent, between sqrt(1/2) and sqrt(2), less one.
    r = lax.bitcast_convert_type(raw - (exponent << jnp.int32(23)), jnp.float32) - 1
    whole = exponent.astype(jnp.float32) * np.float32(scale * np.log(2)) - 1
    return whole + r * _polynomial([scale * c for c in _LOG], r)


def _logarithm(q: Array, less_one: Array) -> Array:
    """log(q) in float32, for a normal q above 0, from q and q - 1; the second counts where q is near 1."""
    raw = lax.bitcast_convert_type(q, jnp.int32)
    exponent = (raw - jnp.int32(_ROOT_HALF)) >> jnp.int32(23)
    r = lax.bitcast_convert_type(raw - (exponent << jnp.int32(23)), jnp.float32) - 1
    r = jnp.where(exponent == 0, less_one, r)
    return (exponent.astype(jnp.float32) * np.float32(np.log(2)) + r) + (r * r) * _polynomial(_LOG[:-1], r)


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """By pairs of terms, then pairs of pairs, so that few products wait for each other (Estrin's scheme)."""
    terms = [jnp.asarray(c, x.dtype) for c in coefficients[::-1]]
    while len(terms) > 1:
        pairs = zip(terms[0::2], terms[1::2], strict=False)
        terms = [low + high * x for low, high in pairs] + terms[len(terms) - len(terms) % 2 :]
        x = x * x
    return terms[0]
