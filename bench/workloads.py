"""What is measured, and who takes part.

A workload is a population of LIF neurons with the tutorial's parameters, under constant currents between 150 and 500 pA
or with white noise on top, for so many steps of 0.1 ms from rest; or of another model with its defaults.
"""

import dataclasses
import os

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class Contestant:
    """Who does the work.

    name: as the table says it.
    script: of bench/peers.
    threads: how many it is to use.
    record: what it is to record, if not what the others do.
    mode: which of the ways that its script knows.
    environment: variables of its process.
    """

    name: str
    script: str
    threads: int = CORES
    record: str = ""
    mode: str = ""
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is done: ``neurons`` for ``steps`` steps under ``stimulus`` ("dc" or "noise"), recording ``record``.

    record: "counts" of spikes, "spikes" (all of them), "V" (of all neurons at all steps), or "events": times and
    neurons of spikes that were recorded before. Or "gradient": of the mean square error of the spike counts, with
    respect to tau_m and g_L of each neuron; or "fit": find tau_m and g_L of each neuron from its rates under five
    currents, until 99% are right to 0.5 Hz (root mean square), which is at most one spike in one of the five runs.
    """

    title: str
    neurons: int
    steps: int
    stimulus: str
    record: str
    model: str = dataclasses.field(default="LIF", kw_only=True)
    contestants: tuple[Contestant, ...] = dataclasses.field(repr=False)

    def tolerance(self, spikes: int) -> float:
        """How many spikes more or less are the same work: a percent, and one."""
        return 1 + 0.01 * spikes


LIFJAX = Contestant("lifjax", "lifjax_run")
SCAN = Contestant("lifjax, plain scan", "lifjax_run", environment={"LIFJAX_ENGINE": "scan"})
C = Contestant("C", "c_yardstick")
WRITES = Contestant("C, writing the bytes alone", "c_yardstick", record="writes")
LOOP = Contestant("tutorial's loop", "loop", 1)
NUMPY = Contestant("NumPy", "vectorised_numpy", 1)
BRIAN2 = (
    Contestant("Brian2 C++, 1 thread", "brian2_standalone", 1),
    *([Contestant(f"Brian2 C++, {CORES} threads", "brian2_standalone", CORES)] if CORES > 1 else []),
    Contestant("Brian2 Cython", "brian2_cython", 1),
)
NEST = Contestant("NEST", "nest_delta")
BRAINPY = Contestant("BrainPy", "brainpy_loop")
SNNTORCH = Contestant("snnTorch", "snntorch_leaky")
NORSE = Contestant("Norse", "norse_lif")

ALL = (LIFJAX, C, LOOP, NUMPY, *BRIAN2, NEST, BRAINPY, SNNTORCH, NORSE)
LIMIT = (LIFJAX, C)
LARGE = (LIFJAX, C, NUMPY, *BRIAN2, NEST, BRAINPY, SNNTORCH, NORSE)

# Against everyone.
PEERS = (
    Workload("1 neuron, V recorded", 1, 10_000, "dc", "V", ALL),
    *(
        Workload(f"{neurons:,} neurons, {title}", neurons, 10_000, stimulus, record, ALL)
        for neurons in (10_000, 100_000)
        for title, stimulus, record in (
            ("constant current", "dc", "counts"),
            ("every spike recorded", "dc", "spikes"),
            ("white noise", "noise", "counts"),
        )
    ),
    *(
        Workload(f"{neurons:,} neurons, 0.1 s, constant current", neurons, 1000, "dc", "counts", LARGE)
        for neurons in (1_000_000, 10_000_000)
    ),
)

# Against what the machine allows.
LIMITS = (
    Workload("counts", 131_072, 10_000, "dc", "counts", LIMIT),
    Workload("every spike recorded", 131_072, 10_000, "dc", "spikes", LIMIT),
    Workload("white noise", 131_072, 10_000, "noise", "counts", LIMIT),
    Workload("V recorded", 131_072, 1000, "dc", "V", (LIFJAX, C, WRITES)),
    Workload("times of 100 million spikes", 131_072, 98_304, "dc", "events", (LIFJAX,)),
)

# Ourselves, smaller and larger.
SCALING = (
    *(Workload(f"{n:,} neurons", n, 10_000, "dc", "counts", (LIFJAX,)) for n in (10**4, 10**5, 10**6, 10**7)),
    *(Workload(f"{k:,} steps", 131_072, k, "dc", "counts", (LIFJAX,)) for k in (10**3, 10**4, 10**5, 10**6)),
    *(Workload(f"{n:,} neurons, noise", n, 10_000, "noise", "counts", (LIFJAX,)) for n in (10**4, 10**5, 10**6)),
)

# On a GPU: the kernel against the plain scan and others; then ourselves, and so long that fixed costs do not count.
ON_GPU = (
    LIFJAX,
    SCAN,
    Contestant("snnTorch", "snntorch_leaky", mode="gpu"),
    Contestant("Norse", "norse_lif", mode="gpu"),
)
GPU = (
    *(
        Workload(
            f"{neurons:,} neurons, {title}",
            neurons,
            steps,
            stimulus,
            record,
            ON_GPU[: 2 if record == "spikes" else contestants],
        )
        for neurons, steps, contestants in ((10**5, 10_000, 2), (10**6, 10_000, 4), (10**7, 1000, 1))
        for title, stimulus, record in (
            ("constant current", "dc", "counts"),
            ("every spike recorded", "dc", "spikes"),
            ("white noise", "noise", "counts"),
        )
    ),
    *(
        Workload(f"{neurons:,} neurons, {steps / 10_000:g} s, {title}", neurons, steps, stimulus, "counts", ON_GPU[:1])
        for neurons, steps, title, stimulus in (
            (10**8, 10_000, "constant current", "dc"),
            (10**8, 10_000, "white noise", "noise"),
            (10**6, 1_000_000, "constant current", "dc"),
            (10**6, 100_000, "white noise", "noise"),
        )
    ),
    *(
        Workload(f"1,000,000 neurons, {model}", 10**6, 10_000, "dc", "counts", ON_GPU[:1], model=model)
        for model in ("AdaptiveLIF", "GIF", "GLIF", "EIF", "AdEx", "QIF", "Izhikevich")
    ),
)

# Derivatives and fits. Jaxley is not there: it is made for cells of many compartments, and its Fire mechanism has no
# refractory time.
GRADIENT = (
    Contestant("lifjax", "lifjax_gradient", mode="forward"),
    Contestant("lifjax, reverse mode", "lifjax_gradient", mode="reverse"),
    Contestant("lifjax, reverse, checkpointed", "lifjax_gradient", mode="checkpointed"),
    Contestant("Norse", "norse_gradient", mode="eager"),
    Contestant("Norse, torch.compile", "norse_gradient", mode="compiled"),
    Contestant("snnTorch", "snntorch_gradient", mode="eager"),
    Contestant("snnTorch, torch.compile", "snntorch_gradient", mode="compiled"),
)
FITTERS = (
    Contestant("lifjax", "lifjax_fit"),
    Contestant("brian2modelfitting, DE", "brian2_fit", 1, mode="DE"),
    Contestant("brian2modelfitting, CMA", "brian2_fit", 1, mode="CMA"),
    Contestant("brian2modelfitting, DE, Cython", "brian2_fit", 1, mode="DE, Cython"),
)
FIT = (
    *(
        Workload(f"gradient step, 10,000 neurons, {steps:,} steps", 10_000, steps, "dc", "gradient", GRADIENT)
        for steps in (1000, 10_000)
    ),
    Workload("1 neuron, five rates", 1, 10_000, "dc", "fit", FITTERS),
    Workload("1,000 neurons, five rates each", 1000, 10_000, "dc", "fit", FITTERS[:1]),
)

# Each model's cost a neuron-step.
BRIAN2_ADEX = tuple(dataclasses.replace(x, script="brian2_adex") for x in BRIAN2 if x.script == "brian2_standalone")
MODELS = tuple(
    Workload(
        f"{model}, 100,000 neurons", 100_000, 10_000, "dc", "counts",
        (LIFJAX, *(BRIAN2_ADEX if model == "AdEx" else ())), model=model,
    )
    for model in ("LIF", "AdaptiveLIF", "GIF", "GLIF", "EIF", "AdEx", "QIF", "Izhikevich")
) + tuple(
    Workload(f"{model}, 100,000 neurons, white noise", 100_000, 10_000, "noise", "counts", (LIFJAX,), model=model)
    for model in ("LIF", "AdaptiveLIF", "GIF", "GLIF", "AdEx")
)  # fmt: skip

GROUPS = {"peers": PEERS, "limits": LIMITS, "scaling": SCALING, "fit": FIT, "models": MODELS, "gpu": GPU}
