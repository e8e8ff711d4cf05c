"""What can go wrong at the edge.

EdgeError
├── EngineError
│   ├── EngineUnavailableError    this machine cannot run the engine
│   │   └── AbiMismatchError      the library is not the build the binding was made for
│   ├── ModelLoadError            the engine refuses the model file
│   ├── GrammarRefusedError       the engine refuses the grammar
│   ├── DecodeError               an inference step failed
│   └── DecodeAbortedError        an inference step was aborted on request
├── ModelError
│   ├── UnknownModelError         no such model
│   ├── ModelDigestError          the file is not the one that was published
│   └── ModelFormatError          the file is not a model
├── UnusableDecisionError         the model's output fixes no action
├── HomeError
│   ├── HomeMissingError          the home was never initialised
│   └── HomeExistsError           the home is already another device's
├── SpoolError
│   ├── SpoolFullError            no room: refuse new billable work
│   ├── SpoolLockedError          another process holds this role on the spool
│   ├── SpoolMismatchError        the spool belongs to another device or epoch
│   ├── SpoolCorruptError         the chain on disk is broken
│   └── EventTooLargeError        one event does not fit into a batch
└── DeliveryError
    ├── DeliveryRefusedError      the service said no; sending again would not help
    │   └── SequenceGapError      the service expects events that are not in the spool
    └── DeliveryGaveUpError       the service could not be reached in the attempts allowed

Errors of the wire have their own tree in `runtime.wire.errors`, because the service shares it.
"""


class EdgeError(Exception):
    """Base of everything the runtime refuses or fails at."""


class EngineError(EdgeError):
    """Base of faults of the inference engine."""


class EngineUnavailableError(EngineError):
    """This machine cannot run the engine; the message says what is missing."""


class AbiMismatchError(EngineUnavailableError):
    """The shared library does not have the layout the binding was made for."""


class ModelLoadError(EngineError):
    """The engine could not load the model file."""


class GrammarRefusedError(EngineError):
    """The engine could not compile the grammar; running without one would be unconstrained."""


class DecodeError(EngineError):
    """An inference step failed."""


class DecodeAbortedError(EngineError):
    """An inference step was aborted on request; the compute was spent all the same."""


class ModelError(EdgeError):
    """Base of faults of a model file."""


class UnknownModelError(ModelError):
    """There is no model of that name and no file at that path."""


class ModelDigestError(ModelError):
    """The SHA-256 of the file is not the published one."""


class ModelFormatError(ModelError):
    """The file is not a readable GGUF model."""


class UnusableDecisionError(EdgeError):
    """The output of the model is not a decision; the message says why."""


class HomeError(EdgeError):
    """Base of faults of a device's home folder."""


class HomeMissingError(HomeError):
    """The folder holds no device yet."""


class HomeExistsError(HomeError):
    """The folder already holds a device of another name."""


class SpoolError(EdgeError):
    """Base of faults of the spool."""


class SpoolFullError(SpoolError):
    """The spool has reached its bound; new billable work is refused until events are delivered."""


class SpoolLockedError(SpoolError):
    """Another process is writing to, or sending from, this spool."""


class SpoolMismatchError(SpoolError):
    """The spool was begun by another device or in another epoch."""


class SpoolCorruptError(SpoolError):
    """The events on disk are not the chain that was written."""


class EventTooLargeError(SpoolError):
    """One event is larger than a whole batch may be."""


class DeliveryError(EdgeError):
    """Base of faults of delivery; every undelivered event is still in the spool."""


class DeliveryRefusedError(DeliveryError):
    """The service refused a batch for good; sending it again would not help."""


class SequenceGapError(DeliveryRefusedError):
    """The service expects a sequence that the spool does not hold."""


class DeliveryGaveUpError(DeliveryError):
    """No answer that counts within the allowed attempts."""
