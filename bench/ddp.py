"""ddp.py: ResNet-20, batch 128, with PyTorch's DistributedDataParallel and gloo: images per second of
single-threaded processes. scale.py runs it."""
# SPDX-License-Identifier: Apache-2.0
import multiprocessing, os, time

BATCH = 128


def make():
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, inputs, filters, stride):
            super().__init__()
            self.main = nn.Sequential(
                nn.Conv2d(inputs, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
                nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))
            self.short = nn.Identity() if stride == 1 else nn.Sequential(
                nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

        def forward(self, x):
            return nn.functional.relu(self.main(x) + self.short(x))

    layers, inputs = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for filters in (16, 32, 64):
        for unit in range(3):
            layers.append(Residual(inputs, filters, 2 if filters > 16 and unit == 0 else 1))
            inputs = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def work(rank, processes, steps, times, port, result):
    import torch
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=processes)
    torch.manual_seed(1)
    net = make().to(memory_format=torch.channels_last)
    if processes > 1:
        net = torch.nn.parallel.DistributedDataParallel(net)
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    own = BATCH // processes
    x = torch.randn(own, 3, 32, 32).to(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (own,))
    rates = []
    for _ in range(times):
        begun = time.perf_counter()
        for _ in range(steps):
            sgd.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            sgd.step()
        rates.append(steps * BATCH / (time.perf_counter() - begun))
    if rank == 0:
        result.put(rates[1:])  # the first is a warm-up
    torch.distributed.destroy_process_group()


def measure(processes, steps, times, jobs=1):
    """Images per second of each run, summed over all jobs; a list. A run has `steps` steps. The jobs run
    concurrently and share nothing. The first run is not counted."""
    context = multiprocessing.get_context("spawn")
    results, port = [context.Queue() for _ in range(jobs)], 29500 + os.getpid() % 1000 + processes
    workers = [context.Process(target=work, args=(r, processes, steps, times, port + 10 * job, results[job]))
               for job in range(jobs) for r in range(processes)]
    for worker in workers:
        worker.start()
    rates = [result.get(timeout=600) for result in results]
    for worker in workers:
        worker.join()
    return [sum(beside) for beside in zip(*rates)]
