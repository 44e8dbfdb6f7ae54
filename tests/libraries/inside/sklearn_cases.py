"""scikit-learn, instrumented: run by test_sklearn.py in environments with its oldest and newest version."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, StandardScaler

import otel_fe
from otel_fe.instrument.libraries.hooked import Hooked
from tests.libraries.inside.seen import PREFIX, told, tree, watching

X = np.random.default_rng(0).random((20, 4))
Y = np.arange(20) % 2
SET_OUTPUT = hasattr(StandardScaler, "set_output")


def classes():
    """Return every class of estimators, those that other tests define included."""
    found, waiting = set(), [BaseEstimator, TransformerMixin]
    while waiting:
        cls = waiting.pop()
        if cls not in found:
            found.add(cls)
            waiting.extend(cls.__subclasses__())
    return found


def scale_and_reduce():
    return Pipeline([("scale", StandardScaler()), ("reduce", PCA(2))])


def by_columns(**options):
    return ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", scale_and_reduce(), [2, 3])], **options)


class Doubling(TransformerMixin, BaseEstimator):
    """A third party's transformer, defined before anything is hooked."""

    def __init__(self, times=2):
        self.times = times

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        """Multiply."""
        return X * self.times

    def get_feature_names_out(self, names=None):
        return np.array(["d"] * 4, dtype=object)


def test_a_transformer_is_an_extraction():
    """The feature set is the transformer's class; rows and columns are counted from shapes."""
    scaler = StandardScaler().fit(X)
    with watching() as captured:
        scaler.transform(X)
    (span,) = captured.spans
    assert span.name == "feature_extraction StandardScaler"
    assert told(span) == ("scikit-learn", 20, 4)
    assert span.attributes["code.function.name"] == "sklearn.preprocessing._data.StandardScaler.transform"
    assert captured.total("feature_extraction.duration", feature_extraction__feature_set="StandardScaler") == 1


@pytest.mark.parametrize("data", [X, pd.DataFrame(X), sparse.csr_matrix(X), X.tolist()], ids=lambda d: type(d).__name__)
def test_what_has_rows_is_counted(data):
    """Arrays, tables, sparse matrices and lists."""
    scaler = StandardScaler(with_mean=False).fit(data)
    with watching() as captured:
        scaler.transform(data)
    assert told(captured.extraction()) == ("scikit-learn", 20, 4)


def test_texts_are_entities():
    """A vectorizer's documents are its batch, its vocabulary its features; what it does on itself is no step."""
    with watching() as captured:
        TfidfVectorizer().fit_transform(["a bb", "bb ccc"])
    assert tree(captured) == [("feature_extraction TfidfVectorizer", "TfidfTransformer")]
    assert told(captured.extraction()) == ("scikit-learn", 2, 2)


def test_a_generator_of_texts_is_not_consumed():
    """A generator has no length, so there is no batch size, and every document arrives."""
    with watching() as captured:
        assert TfidfVectorizer().fit_transform(word for word in ("aa", "bb", "cc")).shape == (3, 3)
    assert told(captured.extraction()) == ("scikit-learn", None, 3)


def test_the_outermost_is_the_extraction_and_its_steps_are_children():
    """Fitted steps of a ColumnTransformer with a Pipeline inside have the names that they were given."""
    columns = by_columns()
    columns.fit(X)
    with watching() as captured:
        columns.transform(X)
    inner = ("Pipeline b", "StandardScaler scale", "PCA reduce")
    assert tree(captured) == [("feature_extraction ColumnTransformer[a, b]", "StandardScaler a", inner)]
    assert told(captured.extraction()) == ("scikit-learn", 20, 4)
    assert [told(s)[1:] for s in captured.spans if s.name == "PCA reduce"] == [(20, 2)]


def test_fit_transform_is_one_extraction_too():
    """A FeatureUnion's, whose steps fit and transform in one go."""
    with watching() as captured:
        FeatureUnion([("x", MinMaxScaler()), ("y", PCA(1))]).fit_transform(X)
    assert tree(captured) == [("feature_extraction FeatureUnion[x, y]", "MinMaxScaler x", "PCA y")]
    assert told(captured.extraction()) == ("scikit-learn", 20, 5)


@pytest.mark.parametrize("method", ["fit", "predict", "predict_proba", "decision_function", "score"])
def test_on_the_way_to_a_model_only_the_transformers_are_the_extraction(method):
    """The extraction begins with the first transformer and ends before the model is called."""
    inside = []

    class Watching(LogisticRegression):
        """A model that notes which extraction it is called in."""

    def noting(original):
        def method(self, *args, **kwargs):
            inside.append(otel_fe.current_extraction())
            return original(self, *args, **kwargs)

        return method

    for name in ("fit", "predict", "predict_proba", "decision_function"):
        setattr(Watching, name, noting(getattr(LogisticRegression, name)))

    model = make_pipeline(StandardScaler(), PCA(3), Watching())
    if method != "fit":
        model.fit(X, Y)
    inside.clear()
    with watching() as captured:
        getattr(model, method)(*(X, Y) if method in ("fit", "score") else (X,))
    name = "feature_extraction Pipeline[standardscaler, pca, watching]"
    assert tree(captured) == [(name, "StandardScaler standardscaler", "PCA pca")]
    assert told(captured.extraction()) == ("scikit-learn", 20, 3)
    assert set(inside) == {None}


def test_a_model_without_transformers_is_no_extraction():
    """A pipeline that consists only of a model is no extraction."""
    model = make_pipeline("passthrough", LogisticRegression()).fit(X, Y)
    with watching() as captured:
        model.predict(X)
    assert captured.spans == ()


def test_targets_are_no_features():
    """Encoders of labels are left alone, also those inside of models."""
    with watching() as captured:
        LabelEncoder().fit_transform(Y)
        LogisticRegression().fit(X, Y).predict(X)
    assert captured.spans == ()


def test_inside_an_extraction_of_the_application_all_are_children():
    """There is one extraction, the application's; a library's call in it is a plain span of kind INTERNAL."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    with watching() as captured, otel_fe.extraction("mine"):
        model.predict(X)
        MinMaxScaler().fit_transform(X)
    step = ("Pipeline[standardscaler, logisticregression]", "StandardScaler standardscaler")
    assert tree(captured) == [("feature_extraction mine", step, "MinMaxScaler")]
    assert {span.kind.name for span in captured.spans} == {"INTERNAL"}
    assert captured.total("feature_extraction.duration") == 1
    assert len(captured.extractions()) == 1


def test_exceptions_pass_and_are_noted():
    """Step and extraction have the type of the exception, without its message; the context is restored."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    with watching() as captured:
        with pytest.raises(ValueError, match="features"):
            model.predict(X[:, :2])
        assert otel_fe.current_extraction() is None
        StandardScaler().fit_transform(X)
    assert [span.attributes.get("error.type") for span in captured.spans] == ["ValueError", "ValueError", None]
    assert "expecting" not in str([(s.status.description, s.events) for s in captured.spans])
    assert len(captured.extractions("StandardScaler")) == 1


def test_an_error_of_the_model_is_none_of_the_extraction_s():
    """The extraction has ended without an error by the time the model raises."""

    class Refusing(LogisticRegression):
        def predict(self, X):
            raise RuntimeError("no")

    model = make_pipeline(StandardScaler(), Refusing()).fit(X, Y)
    with watching() as captured, pytest.raises(RuntimeError):
        model.predict(X)
    assert "error.type" not in captured.extraction().attributes


def test_classes_of_anybody_s_are_seen_before_and_after():
    """Classes defined before, while and after another was hooked are seen, each only as long as its hook exists."""
    with watching() as captured:

        class Later(Doubling):
            def transform(self, X):
                return super().transform(X) + 1

        class Other(BaseEstimator, TransformerMixin):
            def fit(self, X, y=None):
                return self

            def transform(self, X):
                return X

        class Bare(BaseEstimator):
            def transform(self, X):
                return X

        assert (Later().fit_transform(X) == 2 * X + 1).all()
        for cls in (Doubling, Other, Bare):
            cls().transform(X)
    names = ["Later", "Doubling", "Other", "Bare"]
    assert tree(captured) == [f"feature_extraction {name}" for name in names]
    Later().transform(X)
    assert len(captured.spans) == 4


OURS_BY_NAME = """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.metaestimators import available_if

class Mine(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X + 1

class Sometimes(BaseEstimator):
    @available_if(lambda self: True)
    def transform(self, X):
        return X + 2
"""


def test_a_transformer_can_be_named_as_a_target_too(tmp_path, monkeypatch):
    """A transformer that is a target has the application's name, and the call itself is a child."""
    (tmp_path / "ours_by_name.py").write_text(OURS_BY_NAME)
    monkeypatch.syspath_prepend(tmp_path)
    targets = "ours_by_name:Mine.transform=mine,ours_by_name:Sometimes.transform=now_and_then"
    with watching(targets=targets) as captured:
        import ours_by_name

        assert (ours_by_name.Mine().fit_transform(X) == X + 1).all()
        assert (ours_by_name.Mine().transform(X) == X + 1).all()
        assert (ours_by_name.Sometimes().transform(X) == X + 2).all()
    assert tree(captured)[1:] == [
        ("feature_extraction mine", "Mine"),
        ("feature_extraction now_and_then", "Sometimes"),
    ]
    assert not [cls for cls in classes() if any(isinstance(value, Hooked) for value in vars(cls).values())]
    assert (ours_by_name.Sometimes().transform(X) == X + 2).all()


def test_nothing_about_a_class_changes():
    """Signature, documentation, names, `get_params`, `clone`, `isinstance`, conditional methods, pickles."""

    def look():
        scaler = StandardScaler(with_mean=False).fit(X)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        return (
            [
                (str(inspect.signature(f)), f.__doc__, f.__name__, f.__qualname__, f.__module__, inspect.isfunction(f))
                for f in (
                    StandardScaler.transform,
                    PCA.fit_transform,
                    Pipeline.predict,
                    Pipeline.fit,
                    Pipeline.transform,
                )
            ],
            str(inspect.signature(scaler.transform)),
            scaler.get_params(),
            clone(scaler).get_params(),
            hasattr(model, "transform"),
            hasattr(Pipeline([("a", StandardScaler())]), "transform"),
            isinstance(scaler, TransformerMixin),
            pickle.dumps(scaler),
            sorted(dir(scaler)),
            sorted(vars(scaler)),
            repr(model),
            (pickle.loads(pickle.dumps(scaler)).transform(X) == copy.deepcopy(scaler).transform(X)).all(),
        )

    before = look()
    with watching():
        assert look() == before
        assert pickle.loads(pickle.dumps(StandardScaler.transform)) is StandardScaler.transform
        assert isinstance(vars(StandardScaler)["transform"], Hooked)
    assert look() == before


def test_output_containers_stay():
    """`set_output` and metadata requests of classes that are defined while hooked work as ever; from scikit-learn 1.2."""
    with watching() as captured:

        class Later(Doubling):
            def transform(self, X):
                return np.asarray(X) * self.times

        frame = pd.DataFrame(X, columns=list("abcd"))
        if SET_OUTPUT:
            out = Later().set_output(transform="pandas").fit_transform(frame)
            assert isinstance(out, pd.DataFrame)
            assert list(out.columns) == ["d"] * 4
            out = make_pipeline(StandardScaler()).set_output(transform="pandas").fit_transform(frame)
            assert list(out.columns) == list("abcd")
        else:
            assert isinstance(Later().fit_transform(frame), np.ndarray)
    assert told(captured.extractions()[0]) == ("scikit-learn", 20, 4)


def test_threads_of_joblib_belong_to_the_call():
    """More tasks than threads, so that some are handed out by joblib's own."""
    union = FeatureUnion([(f"s{n}", StandardScaler()) for n in range(9)], n_jobs=2).fit(X)
    expected = union.transform(X)
    with watching() as captured, joblib.parallel_backend("threading", n_jobs=2):
        assert (union.transform(X) == expected).all()
    (root,) = tree(captured)
    assert root[0].startswith("feature_extraction FeatureUnion[s0, s1")
    assert sorted(root[1:]) == [f"StandardScaler s{n}" for n in range(9)]
    assert captured.total("feature_extraction.duration") == 1
    assert threading.active_count() < 20


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_processes_of_joblib_get_what_they_get_without_us(n_jobs):
    """Transformers of the application's, in loky's workers, which know nothing of otel_fe."""
    columns = by_columns(n_jobs=n_jobs)
    alone = columns.fit_transform(X)
    with watching() as captured:
        assert (clone(columns).fit_transform(X) == alone).all()
    (root,) = tree(captured) if n_jobs == 1 else [(tree(captured)[0],)]
    assert root[0] == "feature_extraction ColumnTransformer[a, b]"
    assert captured.total("feature_extraction.duration") == 1


IN_MAIN = """
import sys
sys.path.insert(0, sys.argv[1])
import joblib, cloudpickle, numpy as np
from otel_fe.testing import capture
from otel_fe import faults
with capture() as captured:
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.compose import ColumnTransformer

    class Ours(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self
        def transform(self, X):
            assert "ef_leto"[::-1] not in sys.modules or __import__("os").getpid() == PID
            return X + 1

    PID = __import__("os").getpid()
    assert b"otel_fe.instrument" not in cloudpickle.dumps(Ours) + cloudpickle.dumps(Ours())
    X = np.ones((4, 2))
    both = ColumnTransformer([("a", Ours(), [0]), ("b", Ours(), [1])], n_jobs=2).fit(X)
    assert (both.transform(X) == 2).all()
    assert [s.name for s in captured.spans] == ["feature_extraction ColumnTransformer[a, b]"] * 2
assert not faults.counts(), faults.counts()
print("done")
"""


def test_a_class_of_a_script_reaches_the_workers_without_us(tmp_path):
    """A class of a script is pickled by value, with its original methods."""
    (tmp_path / "script.py").write_text(IN_MAIN)
    done = subprocess.run(
        [sys.executable, "script.py", sys.path[0] or "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"


def test_workers_that_are_instrumented_join_the_trace():
    """Workers' transformers are spans below the call that started them, not extractions."""
    from otel_fe.instrument.libraries import sklearn_workers
    from otel_fe.instrument.libraries.calls import innermost

    with watching() as captured, otel_fe.extraction("elsewhere") as running:
        here = running.span.get_span_context()
        token = innermost.set(None)
        ids = pickle.loads(pickle.dumps(sklearn_workers.Carried()))
        innermost.reset(token)
        assert isinstance(ids, str)

        def work():
            (task, args, kwargs) = sklearn.pipeline.delayed(StandardScaler().fit(X).transform)(X)
            task.config, task.warning_filters = sklearn.get_config(), [("default", None, Warning, None, 0)]
            task.__dict__[sklearn_workers._CARRIED] = ids
            task(*args, **kwargs)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    (step,) = [span for span in captured.spans if span.name == "StandardScaler"]
    assert step.context.trace_id == here.trace_id
    assert step.parent.span_id == here.span_id
    assert captured.total("feature_extraction.duration") == 1


def test_everything_is_put_back():
    """Every class of estimators holds what it held."""

    def held():
        # A class's request methods are made anew at each look; what counts is what its dictionary holds.
        return {cls: dict(vars(cls)) for cls in classes()}

    before = held()
    with watching():
        assert any(isinstance(value, Hooked) for cls in classes() for value in vars(cls).values())
    after = held()
    for cls, attributes in before.items():
        assert attributes == after[cls], cls
    assert not [cls for cls in classes() if any(isinstance(value, Hooked) for value in vars(cls).values())]


def test_no_feature_s_name_or_value_is_recorded():
    """Only shapes and the names of classes and steps are recorded."""
    frame = pd.DataFrame({"secret_income": [12345.5, 54321.5]})
    with watching() as captured:
        make_pipeline(StandardScaler()).fit_transform(frame)
    text = "".join(span.to_json() for span in captured.spans)
    assert "secret_income" not in text
    assert "12345" not in text
    assert PREFIX + "features" in text
