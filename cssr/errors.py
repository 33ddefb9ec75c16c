"""What errors say to users."""

# what PyTorch, oneDNN and onnxruntime say when the machine or the GPU has no memory left
NO_MEMORY = (
    "can't allocate memory",
    "bad_alloc",
    "could not create a memory",
    "out of memory",
    "ALLOC_FAILED",
    "Failed to allocate memory",
)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice."""
    return isinstance(error, MemoryError) or any(say in str(error) for say in NO_MEMORY)


def os_error_line(error: OSError) -> str:
    """The file and what is wrong with it, on one line."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{' '.join(str(error.strerror or error).split())}"
