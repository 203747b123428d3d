"""The Hugging Face Trainer, taught some things that poems need.

In: a causal language model and batches of `data.dataset`. Out: a trained model, `checkpoint-N/` folders that are either
complete or ignored, TensorBoard logs, and `curve.jsonl` with every point of the loss and validation curves.

What is changed, and why:

- The loss is the sum of the negative log-likelihoods of completion tokens over their number in the whole
  accumulated batch, so that batch 8 x 1 and 1 x 8 give the same gradient.
- Prompt positions never reach the head, and the logits of completions never stand in memory at once
  (`model.completion_loss`).
- Validation reports `ppl_token` and `ppl_char` from corpus-level sums, never a mean of means. On a pruned vocabulary
  their names end in `_kept_rows`: the softmax runs over fewer pieces there, and figures of the two kinds do not compare.
- A batch with more tokens than memory wants at once goes through the model in parts of like length: the gradient is the
  same, and one poem of a thousand characters no longer pads fifteen others.
- A checkpoint counts only once its last file is written: a killed run resumes from the newest complete one, and older ones
  are removed after that. A run that was killed after its last step trains no step more.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader, Subset
from torch.utils.tensorboard import SummaryWriter
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback
from transformers.trainer import DEFAULT_PROGRESS_CALLBACK
from transformers.trainer_utils import EvalPrediction

from gemma_poetry.artifacts import atomic_writer
from gemma_poetry.data.counting import perplexity
from gemma_poetry.data.dataset import IGNORED, split_batch
from gemma_poetry.errors import TrainingError
from gemma_poetry.languages import _
from gemma_poetry.model.completion_loss import CompletionHead, completion_losses
from gemma_poetry.model.families import PLAIN_TOKENS
from gemma_poetry.model.free_memory import return_freed_memory
from gemma_poetry.model.vocabulary import KeptVocabulary, whole_ids
from gemma_poetry.progress import is_shown, say
from gemma_poetry.runs import RunFolder, checkpoints, mark_complete
from gemma_poetry.training.processes import is_main_process
from gemma_poetry.training.sharded_trainer import ShardedTrainer

CURVE = "curve.jsonl"
LOGS = "logs"
_TRIMMED_STEPS = 20
KEPT_ROWS = "_kept_rows"
"""What the names of perplexities end in where the softmax ran over the kept rows of a pruned vocabulary."""


Watch = Callable[[Any, int], Mapping[str, float]]
"""From a model in evaluation mode and the step to figures by name."""


class PoetryTrainer(ShardedTrainer):
    """The Trainer for poems, fine-tuning and pretraining alike.

    Args:
        groups: Names of the groups that validation reports apart (the forms), by index.
        batch_sampler: Yields the training batches, in place of the Trainer's own batching.
        evaluation_collator: Makes the padded validation batches, where training batches are made otherwise.
        vocabulary: The rows that the model has, where its vocabulary was pruned.
        pass_tokens: Tokens, padding counted, that go through the model at a time; a larger batch goes in parts.
        unit: What the data counts as characters, as it stands behind `ppl_`.
        run: The folder that is written to, where it is a run's.
        watch: Told the model and the step at each evaluation, gives further figures of it.
        **arguments: What `transformers.Trainer` takes.
    """

    def __init__(
        self,
        *,
        groups: Sequence[str] = (),
        batch_sampler: Any = None,
        evaluation_collator: Any = None,
        vocabulary: KeptVocabulary | None = None,
        pass_tokens: int | None = None,
        unit: str = "char",
        run: RunFolder | None = None,
        watch: Watch | None = None,
        **arguments: Any,
    ) -> None:
        self._run = run
        self._watch = watch
        self._groups = tuple(groups)
        self._perplexity = f"ppl_{unit}"
        self._batch_sampler = batch_sampler
        self._evaluation_collator = evaluation_collator
        _take_one_gpu(arguments["args"])
        super().__init__(compute_metrics=self._validation_metrics, **arguments)
        # The loss below divides by the number of labelled tokens itself, over all accumulated batches.
        self.model_accepts_loss_kwargs = True
        self.loss_is_scaled_for_ga = True
        self._vocabulary = vocabulary
        self._head = CompletionHead(self.model, vocabulary)
        self._suffix = KEPT_ROWS if vocabulary else ""
        self._attention = self.model.config.get_text_config()._attn_implementation
        known = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU, DistributedType.FSDP)
        self._pass_tokens = pass_tokens if self.accelerator.distributed_type in known else None
        folder = Path(self.args.output_dir)
        if not is_shown():
            # Without its bar the Trainer prints every point of the curve instead.
            self.remove_callback(DEFAULT_PROGRESS_CALLBACK)
            self.remove_callback(PrinterCallback)
        if is_main_process():
            self.add_callback(_LogWriter(folder / LOGS))
        self.add_callback(_CurveWriter(folder / CURVE))
        if self.args.device.type == "cpu":
            self.add_callback(_HeapTrimmer())

    def get_train_dataloader(self) -> DataLoader[Any]:
        if self._batch_sampler is None:
            return super().get_train_dataloader()
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset, batch_sampler=self._batch_sampler, collate_fn=self.data_collator
        )
        # The sampler itself gives each process the same number of batches.
        shared = self._share(loader, even_batches=False)
        share: Any = shared.batch_sampler
        # The Trainer looks for it one wrapper deep; an epoch that is resumed in its midst has one more around the share.
        share.set_epoch = self._batch_sampler.set_epoch
        return shared

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        poems = self.eval_dataset if eval_dataset is None else eval_dataset
        # Figures are sums over all poems, whatever their order; in batches of like length hardly anything is padding.
        lengths = [len(sample) for sample in poems.samples]
        dataset = Subset(poems, sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)))
        if self._evaluation_collator is None:
            return super().get_eval_dataloader(dataset)
        loader: DataLoader[Any] = DataLoader(
            dataset, batch_size=self.args.eval_batch_size, collate_fn=self._evaluation_collator
        )
        return self._share(loader, even_batches=True)

    def _share(self, loader: DataLoader[Any], *, even_batches: bool) -> DataLoader[Any]:
        return prepare_data_loader(
            loader,
            device=self.accelerator.device,
            num_processes=self.accelerator.num_processes,
            process_index=self.accelerator.process_index,
            put_on_device=True,
            even_batches=even_batches,
        )

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        self._choose_attention(inputs["input_ids"])
        losses = completion_losses(model, self._head, inputs)
        if num_items_in_batch is None:
            num_items_in_batch = losses.numel()
        loss = losses.sum() / num_items_in_batch
        if self.args.average_tokens_across_devices and self.accelerator.num_processes > 1:
            # DDP averages gradients over processes, and the count above is over all of them.
            loss = loss * self.accelerator.num_processes
        return (loss, losses) if return_outputs else loss

    def _choose_attention(self, input_ids: torch.Tensor) -> None:
        """Plain attention on a CPU, where the fused kernel takes longer; not for the longest rows."""
        if input_ids.device.type != "cpu" or self._attention != "sdpa":
            return
        self._set_attention("eager" if input_ids.shape[1] <= PLAIN_TOKENS else "sdpa")

    def _set_attention(self, wanted: str) -> None:
        base: Any = self.accelerator.unwrap_model(self.model)
        base = base.get_base_model() if hasattr(base, "get_base_model") else base
        if base.config.get_text_config()._attn_implementation != wanted:
            base.set_attn_implementation(wanted)

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        parts = [inputs]
        if self._pass_tokens is not None and num_items_in_batch is not None:
            parts = split_batch(inputs, self._pass_tokens)
            parts += self._blank_parts(parts)
        loss = torch.zeros((), device=self.args.device)
        for place, part in enumerate(parts):
            # Gradients add up; processes exchange them once, with the last part.
            apart = self.accelerator.no_sync(model) if place < len(parts) - 1 else contextlib.nullcontext()
            with apart:
                loss = loss + super().training_step(model, part, num_items_in_batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                _("the loss became {loss} at step {global_step}", loss=loss.item(), global_step=self.state.global_step + 1),
                expected=_("a finite loss"),
                action=_("lower train.learning_rate, or use float32; the last complete checkpoint is kept"),
            )
        return loss

    def _blank_parts(self, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Parts without a label, for as many passes as the process with the most parts makes more than this one."""
        if not self.is_fsdp_enabled or self.accelerator.num_processes == 1:
            return []  # only sharded weights are exchanged at every pass
        most = torch.tensor(len(parts), device=self.args.device)
        torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
        blank = {name: value[:1] for name, value in parts[-1].items()}
        blank["labels"] = torch.full_like(blank["labels"], IGNORED)
        return [blank] * (int(most) - len(parts))

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        if self.args.device.type == "cpu":
            return_freed_memory()  # what steps left of their activations
        # Compiled layers are for training: each kind of pass that writing and validation make would be compiled once more.
        with torch.compiler.set_stance("force_eager"):
            figures: dict[str, float] = super().evaluate(*arguments, **options)
        return figures

    def last_evaluation(self) -> dict[str, float]:
        """The figures of an evaluation after the last step: the Trainer may have made it already."""
        if not len(self.eval_dataset):
            return {}
        point = next((point for point in reversed(self.state.log_history) if "eval_loss" in point), None)
        if point is None or point["step"] != self.state.global_step:
            point = self.evaluate()
        return _plain_names(point)

    def measure(self) -> dict[str, float]:
        """The figures of the model as it is now, which may not be that of the last step: no point of the curve."""
        with torch.compiler.set_stance("force_eager"):
            return _plain_names(self.evaluation_loop(self.get_eval_dataloader(), description="Evaluation").metrics)

    def prediction_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        inputs = self._prepare_inputs(inputs)
        # Sharded weights are gathered at every pass, so there all processes make the same number of passes.
        at_once = None if self.is_fsdp_enabled else self._pass_tokens
        parts = [inputs] if at_once is None else split_batch(inputs, at_once)
        figures = torch.cat([self._figures(model, part) for part in parts])
        return None, figures, torch.cat([part["group"] for part in parts])

    def _figures(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """Nats, tokens and characters of each row of a batch, (B, 3)."""
        self._choose_attention(batch["input_ids"])
        # Not inference mode: FSDP gathers into buffers that the next training step writes to again.
        with torch.no_grad():
            losses = completion_losses(model, self._head, batch)
        labelled = batch["labels"][:, 1:] != IGNORED
        rows = torch.nonzero(labelled)[:, 0]
        totals = torch.zeros(labelled.shape[0], dtype=torch.float64, device=losses.device)
        totals.index_add_(0, rows, losses.double())
        return torch.stack([totals, labelled.sum(1).double(), batch["characters"].double()], dim=1)

    def _validation_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        figures, groups = torch.as_tensor(prediction.predictions), torch.as_tensor(prediction.label_ids)
        nats, tokens, characters = figures.sum(0).tolist()
        metrics = {"loss": nats / tokens, f"ppl_token{self._suffix}": perplexity(nats, tokens)}
        if characters:
            metrics[f"{self._perplexity}{self._suffix}"] = perplexity(nats, characters)
            for index, name in enumerate(self._groups):
                group_nats, _unused, group_characters = figures[groups == index].sum(0).tolist()
                if group_characters:
                    metrics[f"{self._perplexity}{self._suffix}/{name}"] = perplexity(group_nats, group_characters)
        return metrics | self._watched()

    def _watched(self) -> dict[str, float]:
        if self._watch is None:
            return {}
        model: Any = self.accelerator.unwrap_model(self.model)
        # A model that was pruned writes with the ids that it was prompted in; what is drawn for it is not the training's.
        self._set_attention(self._attention)
        with torch.random.fork_rng(), whole_ids(model, self._vocabulary):
            return dict(self._watch(model, self.state.global_step))

    def _run_epoch(self, *arguments: Any, **options: Any) -> None:
        if self.state.global_step >= self.state.max_steps or self.control.should_training_stop:
            # Resumed after its last step: the Trainer itself would look at count and control only after one step more.
            self.control.should_training_stop = True
            return
        super()._run_epoch(*arguments, **options)

    def _maybe_log_save_evaluate(self, *arguments: Any, **options: Any) -> None:
        gone = self._run is not None and not self._run.is_there()
        if self._run is not None and gone:
            if self.args.world_size > 1:
                raise self._run.gone(None)  # a checkpoint takes all processes, and only this one saw it
            self._run.restore()
            (self._run.folder / LOGS).mkdir(exist_ok=True)
            self.control.should_save = True  # after the evaluation of this step, which draws random numbers
        super()._maybe_log_save_evaluate(*arguments, **options)
        if self._run is not None and gone:
            raise self._run.gone(self.state.global_step)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            with self._run.writing(folder) if self._run else contextlib.nullcontext():
                super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        if self.args.world_size > 1:
            # Every process writes its own random state; the marker comes after the last of them.
            torch.distributed.barrier()
        if self.args.should_save and folder.is_dir():
            mark_complete(folder, self.state.global_step)
            for old in checkpoints(folder.parent)[:-limit] if limit else []:
                shutil.rmtree(old, ignore_errors=True)


def _plain_names(figures: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix("eval_"): value for name, value in figures.items() if name.startswith("eval_")}


def _take_one_gpu(arguments: TrainingArguments) -> None:
    """Lets a process train on one GPU, however many it sees.

    By itself the Trainer would share each batch among them (`nn.DataParallel`), whose copies of the model have no part in what
    is done to the model here.
    """
    seen = arguments.n_gpu
    if seen > 1:
        arguments._n_gpu = 1
        say(_("one of {seen} GPUs is used (accelerate launch uses all)", seen=seen))


class _HeapTrimmer(TrainerCallback):
    """Gives back what the C library keeps of freed activations, from time to time.

    Batches differ in length, so their blocks fit into each other's gaps ever less: of 2.3 GiB of heap after 17 steps of `verse`
    0.8 were in use. To touch memory anew that was given back takes time, so it is not done at each step.
    """

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_unused: Any) -> None:
        if state.global_step % _TRIMMED_STEPS == 0:
            return_freed_memory()


class _LogWriter(TensorBoardCallback):
    """TensorBoard logs in one folder, also for the evaluation after a training, when the Trainer opens its log anew."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def _init_summary_writer(self, args: TrainingArguments, log_dir: str | None = None) -> None:
        self.tb_writer = SummaryWriter(str(self._folder))
        threading.excepthook = _report_thread


def _report_thread(error: Any, report: Callable[[Any], Any] = threading.excepthook) -> None:
    """Reports errors in threads, but not those of TensorBoard's writer, which it raises again in the main thread."""
    if type(error.thread).__module__ != "tensorboard.summary.writer.event_file_writer":
        report(error)


class _CurveWriter(TrainerCallback):
    """Writes every logged point to `curve.jsonl`, whole each time: a resumed run continues the same curve."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_unused: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        with atomic_writer(self._path) as stream:
            for point in state.log_history:
                if "loss" in point or "eval_loss" in point:
                    named = {
                        name.replace("eval_loss", "validation_loss").removeprefix("eval_"): value
                        for name, value in point.items()
                    }
                    stream.write(json.dumps(named, ensure_ascii=False) + "\n")
