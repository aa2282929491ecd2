"""Where in a tree of fits a callback is being called.

scikit-learn hands every hook the context of a task. The outermost fit is the root of
a tree; the root task of an estimator that another one fits is merged with the task of
that other one, and remembers its name.
"""

from skopt2._core.parameters import check_count


def task_path(context):
    """Return the contexts from the root of the tree down to this one."""
    path = [context]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]


def task_ids(context):
    """Return the task ids from below the root down to this context."""
    return tuple(task.task_id for task in task_path(context)[1:])


def task_key(context):
    """Return what identifies a task among all tasks of all fits."""
    return context.root_uuid, task_ids(context)


def is_fit(context):
    """Return True for the task that is the whole fit of one estimator."""
    return context.parent is None or context.source_estimator_name is not None


def is_iteration(context):
    """Return True for a step of an iterative fit: a leaf among consecutive siblings."""
    return (
        not is_fit(context)
        and context.max_subtasks == 0
        and context.parent.sequential_subtasks
    )


def task_label(context):
    """Return the estimator's name, with the place of its fit in a larger one."""
    ids = task_ids(context)
    if not ids:
        return context.estimator_name
    return f"{context.estimator_name} {'.'.join(map(str, ids))}"


def check_every(every):
    """Return ``every`` as an int of at least 1, or raise a ValueError."""
    return check_count("every", every)


def certificate_value(estimator):
    """Return the value of an estimator's certificate as a float."""
    certificate = estimator.certificate_
    return float(getattr(certificate, "value", certificate))
