"""The features, each computed by scikit-learn from a table or an image, and cached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import load_diabetes, load_digits, load_sample_images
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from feature_service.tables import PROFILE_COLUMNS, transactions, users

if TYPE_CHECKING:
    from feature_service.cache import FeatureCache


class UnknownEntityError(LookupError):
    """There is no such user or image."""


class Features:
    """Extracts features by entity: from the cache, else from the data."""

    def __init__(self, engine: sa.Engine, cache: FeatureCache) -> None:
        self._engine = engine
        self._cache = cache
        self._profile = make_pipeline(StandardScaler(), PolynomialFeatures(2), PCA(12, random_state=0))
        self._profile.fit(load_diabetes().data)
        digits = load_digits().data
        self._digits = digits
        self._segments = make_pipeline(StandardScaler(), KMeans(10, n_init=1, random_state=0)).fit(digits)
        self._images = [image.astype(np.float32) / 255 for image in load_sample_images().images]
        self._words = MiniBatchKMeans(48, n_init=1, random_state=0).fit(_patches(self._images[0], 0)[:4000])

    def user_profile(self, user: int) -> list[float]:
        """Return twelve components of a user's scaled, squared profile: one row by its primary key."""
        cached = self._cache.get("user_profile", user)
        if cached is not None:
            return cached
        query = sa.select(*(users.c[name] for name in PROFILE_COLUMNS)).where(users.c.id == user)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise UnknownEntityError(f"no user {user}")
        features: list[float] = self._profile.transform(np.array([row], dtype=float))[0].tolist()
        self._cache.put("user_profile", user, features)
        return features

    def transaction_history(self, user: int) -> list[float]:
        """Return count, sum, mean and largest amount of a user's transactions by part of the day."""
        cached = self._cache.get("transaction_history", user)
        if cached is not None:
            return cached
        amount, part = transactions.c.amount, transactions.c.hour // 6
        query = (
            sa.select(part, sa.func.count(), sa.func.sum(amount), sa.func.avg(amount), sa.func.max(amount))
            .where(transactions.c.user_id == user)
            .group_by(part)
            .order_by(part)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise UnknownEntityError(f"no transactions of user {user}")
        features = [float(value) for row in rows for value in row[1:]]
        self._cache.put("transaction_history", user, features)
        return features

    def image_embedding(self, image: int) -> list[float]:
        """Return the histogram of visual words over a crop of an image: fifty thousand of patches, each to its nearest word."""
        cached = self._cache.get("image_embedding", image)
        if cached is not None:
            return cached
        patches = _patches(self._images[image % len(self._images)], image)
        words = self._words.predict(patches)
        features: list[float] = (np.bincount(words, minlength=48) / len(words)).tolist()
        self._cache.put("image_embedding", image, features)
        return features

    def digit_segment(self, digit: int) -> list[float]:
        """Return the distances of a handwritten digit to ten segments; cheap, so it is not cached."""
        if not 0 <= digit < len(self._digits):
            raise UnknownEntityError(f"no digit {digit}")
        distances: list[float] = self._segments.transform(self._digits[digit : digit + 1])[0].tolist()
        return distances


def _patches(image: np.ndarray, seed: int) -> np.ndarray:
    """Return patches of 8 by 8 pixels of a crop that depends on `seed`, one a row."""
    top, left = (seed * 37) % 200, (seed * 53) % 300
    crop = image[top : top + 220, left : left + 330]
    return extract_patches_2d(crop, (8, 8), max_patches=50_000, random_state=seed).reshape(50_000, -1)
