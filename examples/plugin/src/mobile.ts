import { onList } from "./list";

onList("mobile.app.record.index.show", () =>
  kintone.mobile.app.getHeaderSpaceElement(),
);
