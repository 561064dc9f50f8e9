import { onList } from "./list";

onList("app.record.index.show", () => kintone.app.getHeaderSpaceElement());
