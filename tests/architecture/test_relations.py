"""Foreign keys point down the house: import contracts cannot see the ones written as text."""

from django.apps import apps

# A package may refer to itself and to those after it.
ORDER = ["billing", "agents", "metering"]
OUTSIDE = {"auth", "contenttypes", "sessions", "admin"}


def relations():
    for model in apps.get_models():
        label = model._meta.app_label
        if label not in ORDER:
            continue
        for field in model._meta.get_fields():
            if field.is_relation and not field.auto_created and field.related_model is not None:
                yield f"{model.__name__}.{field.name}", label, field.related_model._meta.app_label


def test_every_foreign_key_points_down_or_stays_at_home():
    upward = [
        name
        for name, label, target in relations()
        if target not in OUTSIDE and ORDER.index(target) < ORDER.index(label)
    ]
    assert not upward


def test_metering_knows_no_customer_table():
    assert not [name for name, label, target in relations() if label == "metering" and target != "metering"]


def test_no_model_orders_itself_or_hides_work_in_save():
    models = [model for model in apps.get_models() if model._meta.app_label in ORDER]
    assert models
    assert not [model for model in models if model._meta.ordering]
    assert not [model for model in models if "save" in vars(model) or "delete" in vars(model)]
