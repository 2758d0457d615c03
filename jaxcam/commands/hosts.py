"""How the processes of one run find each other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hosts:
    """Started once on every host, with the same arguments but for the process id; a single process needs none.

    Attributes:
        distributed: this is one process of several, which the cluster tells of each other: on TPU pods, under Slurm, in
            Kubernetes and under Open MPI.
        coordinator: in place of that, host:port of the first process, as all can reach it.
        num_processes: with it, how many there are.
        process_id: and which of them this one is, from 0.
    """

    distributed: bool = False
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None

    def join(self) -> None:
        """Wait for the others, before anything is computed.

        Raises:
            ValueError: for some of the three without the others, or where the others cannot be found.
        """
        given = (self.coordinator, self.num_processes, self.process_id)
        if None in given and given != (None, None, None):
            raise ValueError("--coordinator, --num-processes, --process-id: got some of them; give all three, or none")
        if self.coordinator is None and not self.distributed:
            return
        if self.num_processes is not None and self.process_id not in range(self.num_processes):
            raise ValueError(f"--process-id: got {self.process_id} of {self.num_processes}; count from 0")
        import jax

        try:
            jax.distributed.initialize(self.coordinator, self.num_processes, self.process_id)
        except (RuntimeError, ValueError) as error:
            if self.coordinator is None:
                what, then = "--distributed", "give --coordinator host:port, --num-processes and --process-id"
            else:
                what, then = f"--coordinator {self.coordinator}", "see that process 0 runs there, and the port is free"
            raise ValueError(f"{what}: the other processes were not found ({error}); {then}") from None
